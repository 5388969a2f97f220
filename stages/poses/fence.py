"""Anatomical limits for any SMPL pose: each joint's turn taken apart into angles, held within its range, put together again.

The ranges are those of limits.py with room for how a free SMPL pose shares out a movement among neighbouring joints
(one vertebra may do more than its part, a forearm's roll may all be in the elbow). Left is written down, right mirrors it.
"""

import numpy as np
from numba import njit

from stages.poses.limits import RANGES

_SPINE, _NECK = 0.5, 0.7  # the most of the whole range that one of three, one of two joints may take


def _range(name: str, share: float = 1.0, sign: int = 1, slack: float = 0.0) -> tuple[float, float]:
    ends = sorted((sign * RANGES[name].low * share, sign * RANGES[name].high * share))
    return ends[0] - slack, ends[1] + slack


# Joint, its axes outermost first, the range of the turn about each, degrees.
_TABLE = (
    *((j, "yzx", _range("spine_twist", _SPINE), _range("spine_side", _SPINE), _range("spine_flex", _SPINE)) for j in (3, 6, 9)),
    *((j, "yzx", _range("neck_twist", _NECK), _range("neck_side", _NECK), _range("neck_flex", _NECK)) for j in (12, 15)),
    (1, "xzy", _range("left_hip_flex", sign=-1), _range("left_hip_abd", slack=5), _range("left_hip_rot", slack=10)),
    (4, "xzy", _range("left_knee", slack=3), (-12.0, 12.0), (-25.0, 25.0)),
    (7, "xzy", _range("left_ankle", sign=-1, slack=5), (-25.0, 25.0), (-30.0, 30.0)),
    (10, "xzy", _range("left_toes", sign=-1), (-5.0, 5.0), (-5.0, 5.0)),
    (13, "zyx", (-15.0, 45.0), (-30.0, 30.0), (-25.0, 25.0)),
    (18, "yxz", _range("left_elbow", sign=-1, slack=3), _range("left_forearm_twist", slack=30), (-15.0, 15.0)),
    (20, "xzy", _range("left_forearm_twist", 0.6), _range("left_wrist", sign=-1, slack=5), _range("left_wrist_side", sign=-1, slack=10)),
)
_RIGHT_OF = {1: 2, 4: 5, 7: 8, 10: 11, 13: 14, 18: 19, 20: 21}
_ROWS = [(j, 1.0, *rest) for j, *rest in _TABLE] + [(_RIGHT_OF[j], -1.0, *rest) for j, *rest in _TABLE if j in _RIGHT_OF]
_JOINT, _SIDE = np.array([r[0] for r in _ROWS]), np.array([r[1] for r in _ROWS])
_AXES = np.array([["xyz".index(a) for a in str(r[2])] for r in _ROWS])
_LOW, _HIGH = np.radians(np.array([r[3:] for r in _ROWS], np.float64)).transpose(2, 0, 1).copy()
_RAISE = np.radians(RANGES["left_arm_raise"].high)
_PLANE = np.radians(_range("left_arm_plane", slack=10))
_TWIST = np.radians(_range("left_arm_twist", slack=30))
_BEHIND, _RAISE_BEHIND = np.radians(-60.0), np.radians(75.0)
_ROUNDS = 60  # height and plane of an arm bound each other; so many settle them for certain


def fenced(turns: np.ndarray) -> np.ndarray:
    """The nearest rotations (N, 24, 3, 3) within the limits; the root is free, the hands lie straight."""
    out = np.ascontiguousarray(turns, np.float64).copy()
    _fence_all(out, _JOINT, _SIDE, _AXES, _LOW, _HIGH)
    return out


@njit(cache=True)
def _fence_all(turns, joints, sides, axes, low, high):
    for n in range(len(turns)):
        for row in range(len(joints)):
            turn = _mirrored(turns[n, joints[row]], sides[row])
            a, b, c = axes[row]
            angles = _angles(turn, a, b, c)
            for k in range(3):
                angles[k] = min(max(angles[k], low[row, k]), high[row, k])
            turn = _product(_product(_about(a, angles[0]), _about(b, angles[1])), _about(c, angles[2]))
            turns[n, joints[row]] = _mirrored(turn, sides[row])
        for side in range(2):
            _fence_arm(turns[n], 13 + side, 16 + side, 1.0 - 2.0 * side)
            turns[n, 22 + side] = np.eye(3)


@njit(cache=True)
def _fence_arm(pose, collar, shoulder, side):
    """Holds how high, in which plane and how far about itself an arm is turned against the chest."""
    blade = _mirrored(pose[collar], side)
    arm = _product(_product(blade, _mirrored(pose[shoulder], side)), _about(2, np.pi / 2))
    raised = np.arccos(min(max(arm[1, 1], -1.0), 1.0))
    plane = np.arctan2(-arm[2, 1], -arm[0, 1])
    twist = _twist(arm, raised, plane)
    if plane < _PLANE[0] and np.cos(plane - _PLANE[0]) < np.cos(plane - _PLANE[1]):
        plane += 2 * np.pi  # past the front, not past the back
    for _ in range(_ROUNDS):
        sine = np.sin(raised)
        slack = np.pi * max(0.0, 1.0 - sine / 0.5)  # a hanging or upright arm has no plane
        plane = min(max(plane, _PLANE[0] - (slack if raised < np.pi / 2 else 0.0)), _PLANE[1] + slack)
        raised = min(raised, _RAISE + sine * min(max(plane / _BEHIND, 0.0), 1.0) * (_RAISE_BEHIND - _RAISE))
    twist = min(max(twist, _TWIST[0]), _TWIST[1])
    swing = _product(_product(_about(1, -plane), _about(2, raised)), _about(1, plane - twist))
    pose[shoulder] = _mirrored(_product(blade.T, _product(swing, _about(2, -np.pi / 2))), side)


@njit(cache=True)
def _twist(arm, raised, plane):
    back = _product(_product(_about(1, -plane), _about(2, -raised)), _product(_about(1, plane), arm))
    return -np.arctan2(back[0, 2], back[0, 0])


@njit(cache=True)
def _angles(m, a, b, c):
    """Turns about axes a, b, c (outermost first, all different) that make up m."""
    e = 1.0 if (b - a) % 3 == 1 else -1.0
    out = np.empty(3)
    out[0] = np.arctan2(-e * m[b, c], m[c, c])
    out[1] = np.arcsin(min(max(e * m[a, c], -1.0), 1.0))
    out[2] = np.arctan2(-e * m[a, b], m[a, a])
    return out


@njit(cache=True)
def _about(axis, angle):
    out, i, j = np.eye(3), (axis + 1) % 3, (axis + 2) % 3
    out[i, i] = out[j, j] = np.cos(angle)
    out[j, i] = np.sin(angle)
    out[i, j] = -out[j, i]
    return out


@njit(cache=True)
def _product(a, b):
    out = np.empty((3, 3))
    for r in range(3):
        for c in range(3):
            out[r, c] = a[r, 0] * b[0, c] + a[r, 1] * b[1, c] + a[r, 2] * b[2, c]
    return out


@njit(cache=True)
def _mirrored(m, side):
    """The rotation as the other side of the body would make it; itself where side is 1."""
    out = m.copy()
    if side < 0:
        out[0, 1], out[0, 2], out[1, 0], out[2, 0] = -m[0, 1], -m[0, 2], -m[1, 0], -m[2, 0]
    return out
