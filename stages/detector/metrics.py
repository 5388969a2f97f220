"""How well drawings are read: share of correct joints, overlap of boxes."""

import numpy as np

from manifests.skeleton import LEFT_HIP, NECK, RIGHT_HIP, VISIBLE

NEAR = 0.1  # torso lengths: a joint no farther off than this is correct


def torsos(joints: np.ndarray) -> np.ndarray:
    """Distances (N,) from the neck to the middle of the hips, of joints (N, 16, 2)."""
    return np.linalg.norm(joints[:, NECK] - (joints[:, RIGHT_HIP] + joints[:, LEFT_HIP]) / 2, axis=-1)


def correct(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Which of joints (N, 16, 2), in one unit, lie within NEAR torso lengths of the true ones: bool (N, 16)."""
    return np.linalg.norm(found - true, axis=-1) <= NEAR * torsos(true)[:, None]


def pck(found: np.ndarray, true: np.ndarray, visibility: np.ndarray, least: int = VISIBLE) -> float:
    """Share of correct joints among those whose visibility (N, 16) is at least `least`."""
    counted = visibility >= least
    return float(correct(found, true)[counted].mean()) if counted.any() else float("nan")


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union (N,) of boxes (N, 4) x0, y0, x1, y1."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    both = np.clip(high - low, 0, None).prod(1)
    return both / np.maximum(_area(a) + _area(b) - both, 1e-9)


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(1)
