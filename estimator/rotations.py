"""Rotations as tensors: six numbers to a matrix and back, and the mean of many. Layout as in stages.body.rotations."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def from_6d(six: Tensor) -> Tensor:
    """Two rough columns (..., 6), the first column first, to rotation matrices (..., 3, 3) by Gram-Schmidt."""
    a, b = six[..., :3], six[..., 3:]
    x = F.normalize(a, dim=-1)
    y = F.normalize(b - (x * b).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def to_6d(matrices: Tensor) -> Tensor:
    """The first two columns (..., 6) of rotation matrices (..., 3, 3)."""
    return torch.cat([matrices[..., 0], matrices[..., 1]], dim=-1)


def axis_angle(matrices: Tensor) -> Tensor:
    """Axis-angle vectors (..., 3) of rotation matrices (..., 3, 3), by the quaternion's largest part; slopes are finite everywhere."""
    m00, m11, m22 = (matrices[..., i, i] for i in range(3))
    squares = torch.stack([1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], -1)
    x, y, z = (matrices[..., i, j] - matrices[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    xy, xz, yz = (matrices[..., i, j] + matrices[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2)))
    ww, xx, yy, zz = squares.unbind(-1)
    rows = torch.stack([torch.stack(row, -1) for row in ((ww, x, y, z), (x, xx, xy, xz), (y, xy, yy, yz), (z, xz, yz, zz))], -2)
    largest = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    quaternion = F.normalize(rows.gather(-2, largest)[..., 0, :], dim=-1)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    w, xyz = quaternion[..., :1], quaternion[..., 1:]
    sine = (xyz.square().sum(-1, keepdim=True) + 1e-12).sqrt()
    return xyz * 2 * torch.atan2(sine, w) / sine


def mean_rotation(matrices: np.ndarray) -> np.ndarray:
    """The rotations (J, 3, 3) nearest to the averages over the first axis of (N, J, 3, 3)."""
    return nearest_rotations(matrices.mean(0, dtype=np.float64)).astype(np.float32)


def nearest_rotations(matrices: np.ndarray) -> np.ndarray:
    """The rotations (..., 3, 3) nearest to any matrices (..., 3, 3), by SVD."""
    u, _, vt = np.linalg.svd(matrices)
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[..., None]
    return u @ vt
