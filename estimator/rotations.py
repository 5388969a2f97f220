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


def mean_rotation(matrices: np.ndarray) -> np.ndarray:
    """The rotations (J, 3, 3) nearest to the averages over the first axis of (N, J, 3, 3), by SVD."""
    u, _, vt = np.linalg.svd(matrices.mean(0, dtype=np.float64))
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[..., None]
    return (u @ vt).astype(np.float32)
