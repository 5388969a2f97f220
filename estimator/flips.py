"""Limbs reflected about the picture plane: each bone of arms and legs may lean towards the viewer or away, and looks the same."""

from typing import NamedTuple

import numpy as np

from manifests.skeleton import SMPL_JOINTS, SMPL_PARENTS
from stages.body.rotations import matrix_from_axis_angle, swing

_MIRROR = np.array([1.0, 1.0, -1.0])
_STRAIGHT = 1e-3  # sine of the angle between two bones below which they bend in no plane


class Bones(NamedTuple):
    """A posed figure: turns (24, 3, 3) of its bones and places (27, 3) m of its points, as in Skeleton.posed; rest (27, 3) m."""

    turns: np.ndarray
    places: np.ndarray
    rest: np.ndarray


class Limb(NamedTuple):
    """SMPL joints at the start of both bones and at the end; toe: its landmark, or -1.

    bends: where the outer bone goes when knee or elbow bends, in the rest frame of the inner.
    """

    upper: int
    lower: int
    end: int
    toe: int
    bends: tuple[float, float, float]


def _limb(side: str, names: tuple[str, ...], toe: int, bends: tuple[float, float, float]) -> Limb:
    upper, lower, end = (SMPL_JOINTS.index(f"{side}_{name}") for name in names)
    return Limb(upper, lower, end, toe, bends)


LIMBS = {
    **{f"{side}_arm": _limb(side, ("shoulder", "elbow", "wrist"), -1, (0.0, 0.0, 1.0)) for side in ("left", "right")},
    **{f"{side}_leg": _limb(side, ("hip", "knee", "ankle"), 25 + (side == "right"), (0.0, 0.0, -1.0)) for side in ("left", "right")},
}
# Which of a limb's two bones are reflected: none, the outer, the inner, both.
CHOICES = ((False, False), (False, True), (True, False), (True, True))


def reflected(limb: Limb, choice: tuple[bool, bool], pose: np.ndarray, bones: Bones) -> np.ndarray:
    """The pose (24, 3, 3) with some bones of a limb reflected in depth: joints keep their places in the picture."""
    upper, lower, end = limb.upper, limb.lower, limb.end
    turns, places, rest = bones
    out = pose.copy()
    if not any(choice):
        return out
    inner, outer = rest[lower] - rest[upper], rest[end] - rest[lower]
    thigh, shin = turns[upper] @ inner, turns[lower] @ outer
    aim, aim_outer = (_aim(bone, flip) for bone, flip in zip((thigh, shin), choice, strict=True))
    first = swing(thigh, aim) @ turns[upper]
    first = first @ _twist(inner, _bend(limb, inner, turns[upper].T @ shin), first.T @ aim_outer)
    second = first @ pose[lower]
    second = swing(second @ outer, aim_outer) @ second
    out[upper] = turns[SMPL_PARENTS[upper]].T @ first
    out[lower] = first.T @ second
    if limb.toe >= 0:
        toe = places[limb.toe] - places[end]
        carried = second @ pose[end] @ turns[end].T @ toe
        nearest = _aim(toe, bool(toe * _MIRROR @ carried > toe @ carried))
        out[end] = second.T @ swing(carried, nearest) @ second @ pose[end]
    return out


def _bend(limb: Limb, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """The way in which the outer bone leaves the inner, or would where no joint bends like that."""
    across = outer - (outer @ inner) / (inner @ inner) * inner
    return outer if across @ limb.bends > np.linalg.norm(across) / 2 else np.array(limb.bends)


def _aim(bone: np.ndarray, flip: bool) -> np.ndarray:
    return bone * _MIRROR if flip else bone


def _twist(axis: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The turn (3, 3) about an axis that brings the plane of axis and start to that of axis and end."""
    axis = axis / np.linalg.norm(axis)
    a, b = (way - (way @ axis) * axis for way in (start, end))
    if min(np.linalg.norm(a) / np.linalg.norm(start), np.linalg.norm(b) / np.linalg.norm(end)) < _STRAIGHT:
        return np.eye(3)
    return matrix_from_axis_angle(axis * np.arctan2(np.cross(a, b) @ axis, a @ b))
