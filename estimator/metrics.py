"""Errors of predicted poses: MPJPE, PA-MPJPE, PCK, and angles between rotations. Arrays in, plain numbers out."""

import numpy as np

from estimator.sample import from_hips
from manifests.skeleton import LEFT_HIP, NECK, RIGHT_HIP
from stages.body.rotations import angle_between

VISIBLE = 2


def mpjpe(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean distance in mm (N,) of joints (N, 16, 3) m, both counted from the hips' midpoint."""
    return 1000 * np.linalg.norm(from_hips(seen) - from_hips(truth), axis=-1).mean(-1)


def pa_mpjpe(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean distance in mm (N,) after the best turn, scale and shift of each prediction (N, 16, 3) m."""
    return 1000 * np.linalg.norm(procrustes(seen, truth) - truth, axis=-1).mean(-1)


def procrustes(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Joints (N, J, 3) turned, scaled and shifted onto the truth by least squares, without mirroring."""
    centre, target = seen.mean(1, keepdims=True), truth.mean(1, keepdims=True)
    x, y = (seen - centre).astype(np.float64), (truth - target).astype(np.float64)
    u, s, vt = np.linalg.svd(x.transpose(0, 2, 1) @ y)
    s[:, -1] *= (sign := np.sign(np.linalg.det(u @ vt)))
    u[..., -1] *= sign[:, None]
    scale = s.sum(-1) / np.maximum((x**2).sum((1, 2)), 1e-12)
    return scale[:, None, None] * (x @ (u @ vt)) + target


def pck(seen: np.ndarray, truth: np.ndarray, visibility: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Share (N,) of the visible joints (N, 16, 2) px that lie within `share` torso lengths of the truth; NaN where none is visible.

    The torso runs from the neck to the hips' midpoint of the true drawing.
    """
    torso = np.linalg.norm(truth[:, NECK] - truth[:, (RIGHT_HIP, LEFT_HIP)].mean(1), axis=-1)
    hit = np.linalg.norm(seen - truth, axis=-1) <= share * torso[:, None]
    visible = visibility == VISIBLE
    with np.errstate(invalid="ignore"):
        return (hit & visible).sum(1) / visible.sum(1)


def rotation_error(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean angle in degrees (N,) between local rotations (N, 24, 3, 3)."""
    return np.degrees(angle_between(seen, truth)).mean(-1)
