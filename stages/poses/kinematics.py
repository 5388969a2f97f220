"""Joints of many poses at once, each worked out as if it were alone."""

import numpy as np
from numba import njit

from manifests.skeleton import SMPL_MIRROR, SMPL_PARENTS

_PARENTS = np.array(SMPL_PARENTS)


def place_joints(turns: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World rotation (N, 24, 3, 3) and place (N, 24, 3) of each joint; turns (N, 24, 3, 3) local, rest (24, 3), metres."""
    return _place(np.ascontiguousarray(turns, np.float64), np.ascontiguousarray(rest, np.float64), _PARENTS)


def without_heading(turns: np.ndarray) -> np.ndarray:
    """Poses (N, 24, 3, 3) with their roots turned about the upright so that as little turn about it as can be is left."""
    out, root = turns.copy(), turns[:, 0]
    angle = np.arctan2(root[:, 0, 2] - root[:, 2, 0], root[:, 0, 0] + root[:, 2, 2])
    out[:, 0] = turned_about_y(root, -angle)
    return out


def turned_about_y(matrices: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """matrices (N, 3, 3) after a turn about y by angle (N,) radians."""
    out, sine, cosine = matrices.copy(), np.sin(angle)[:, None], np.cos(angle)[:, None]
    out[:, 0] = cosine * matrices[:, 0] + sine * matrices[:, 2]
    out[:, 2] = cosine * matrices[:, 2] - sine * matrices[:, 0]
    return out


def mirrored(turns: np.ndarray) -> np.ndarray:
    """Poses (N, 24, 3, 3) as a mirror shows them: sides change places."""
    return turns[:, SMPL_MIRROR] * _FLIP


_FLIP = np.array([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])


@njit(cache=True)
def _place(turns, rest, parents):
    world, joints = np.empty_like(turns), np.empty((len(turns), 24, 3))
    for n in range(len(turns)):
        world[n, 0], joints[n, 0] = turns[n, 0], rest[0]
        for j in range(1, 24):
            parent, own = world[n, parents[j]], turns[n, j]
            for r in range(3):
                joints[n, j, r] = joints[n, parents[j], r]
                for c in range(3):
                    joints[n, j, r] += parent[r, c] * (rest[j, c] - rest[parents[j], c])
                    world[n, j, r, c] = parent[r, 0] * own[0, c] + parent[r, 1] * own[1, c] + parent[r, 2] * own[2, c]
    return world, joints
