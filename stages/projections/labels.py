"""Labels that a drawing shows: what is seen, what is foreshortened, what crosses in front of what."""

from typing import Any

import numpy as np

from manifests.skeleton import CHILDREN, JOINTS, LIMB_PAIRS, LIMBS, OCCLUDED, OUTSIDE, PARENTS, VISIBLE
from stages.body.camera import project

# SMPL joints whose skin lies next to each joint of a drawing, on the right side; the left follows.
_SKIN = {
    "head": (15, 12), "neck": (12, 15, 9, 13, 14),
    "right_shoulder": (14, 17), "right_elbow": (17, 19), "right_wrist": (19, 21, 23),
    "right_hip": (2, 0), "right_knee": (2, 5), "right_ankle": (5, 8), "right_toe": (8, 11),
    "left_shoulder": (13, 16), "left_elbow": (16, 18), "left_wrist": (18, 20, 22),
    "left_hip": (1, 0), "left_knee": (1, 4), "left_ankle": (4, 7), "left_toe": (7, 10),
}  # fmt: skip
# 1 where the part buffer's value (0 to 24) lies next to a joint; nothing in front of a joint hides nothing.
_NEXT_TO = np.array([[part == 0 or part - 1 in _SKIN[name] for part in range(25)] for name in JOINTS])


def visibility(joints2d: np.ndarray, part: np.ndarray) -> np.ndarray:
    """(16,) uint8 of joints (16, 2) px and a part buffer (H, W): outside, occluded, or the first skin at its pixel is its own."""
    column, row = np.floor(joints2d).astype(int).T
    height, width = part.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    first = part[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    seen = _NEXT_TO[np.arange(len(JOINTS)), first]
    return np.where(inside, np.where(seen, VISIBLE, OCCLUDED), OUTSIDE).astype(np.uint8)


def depth_step(joints: np.ndarray) -> np.ndarray:
    """z(child) - z(parent) (15,) along each edge of joints (16, 3), metres."""
    return joints[CHILDREN, 2] - joints[PARENTS, 2]


def foreshortening(joints: np.ndarray) -> np.ndarray:
    """Cosine (15,) of each edge's angle to the picture plane: its length across the view over its length."""
    edges = joints[CHILDREN] - joints[PARENTS]
    return np.sqrt((edges[:, :2] ** 2).sum(1) / np.maximum((edges**2).sum(1), 1e-12))


def limb_order(joints: np.ndarray, camera_K: np.ndarray) -> np.ndarray:
    """int8 for each of LIMB_PAIRS: -1 the first passes in front of the second, +1 behind, 0 where they do not cross in the picture."""
    ends = {name: np.stack([_end(joints, end) for end in limb]) for name, limb in LIMBS.items()}
    flat = {name: project(points, camera_K) for name, points in ends.items()}
    orders = [_order(flat[a], flat[b], ends[a][:, 2], ends[b][:, 2]) for a, b in LIMB_PAIRS]
    return np.array(orders, np.int8)


def _end(joints: np.ndarray, end: Any) -> np.ndarray:
    """A joint, or the middle of two."""
    return joints[np.atleast_1d(end)].mean(0)


def _order(a: np.ndarray, b: np.ndarray, depth_a: np.ndarray, depth_b: np.ndarray) -> int:
    """Segments (2, 2) px with the depths (2,) of their ends."""
    along_a, along_b, between = a[1] - a[0], b[1] - b[0], b[0] - a[0]
    area = _cross(along_a, along_b)
    if area == 0:
        return 0
    s, t = _cross(between, along_b) / area, _cross(between, along_a) / area
    if not (0 < s < 1 and 0 < t < 1):
        return 0
    return -1 if _depth_at(depth_a, s) < _depth_at(depth_b, t) else 1


def _depth_at(depth: np.ndarray, share: float) -> float:
    """Depth at a share of the way between two projected ends; 1/z, not z, is linear in the picture."""
    return 1 / ((1 - share) / depth[0] + share / depth[1])


def _cross(a: np.ndarray, b: np.ndarray) -> float:
    return float(a[0] * b[1] - a[1] * b[0])
