"""Draws from the prior: as the data has it, or wider, as people draw people.

Wider means the limbs of two figures put together, or latents farther out than any seen; the fence of joint limits
then keeps what comes of it human.
"""

from typing import NamedTuple

import numpy as np

from manifests.skeleton import SMPL_JOINTS
from stages.poses.fence import fenced
from stages.poses.kinematics import mirrored
from stages.poses.prior import LATENT, Prior

_FARTHER = 1.35  # standard deviations of the latents against the data's
_FLAT = 0.6  # of the widened draws take limbs of two figures, the rest go farther
_MIX = ((0.5, ("upper",)), (0.25, ("left_arm",)), (0.25, ("left_arm", "left_leg")))  # how often, what the second figure gives
_GROUPS = {
    "upper": ("spine3", "neck", "head", *(f"{s}_{p}" for s in ("left", "right") for p in ("collar", "shoulder", "elbow", "wrist"))),
    "left_arm": ("left_collar", "left_shoulder", "left_elbow", "left_wrist"),
    "left_leg": ("left_hip", "left_knee", "left_ankle", "left_foot"),
}


class Draw(NamedTuple):
    """first, second (33,): chance of a kind of pose, then standard normal numbers, of two figures.

    mix: index into JOINTS_GIVEN of what the second gives, -1 for nothing.
    """

    first: np.ndarray
    second: np.ndarray
    mix: int
    mirror: bool


def draw(rng: np.random.Generator, widen: float) -> Draw:
    """One draw; the share `widen` of them leaves the data. Every draw takes as many numbers from rng."""
    normal, chance = rng.normal(size=(2, LATENT)), rng.random(6)
    farther = chance[0] < widen and chance[1] >= _FLAT
    first, second = np.append(chance[4], normal[0] * (_FARTHER if farther else 1)), np.append(chance[5], normal[1])
    mirror = bool(chance[3] < 0.5)
    if farther or chance[0] >= widen:
        return Draw(first, second, -1, mirror)
    return Draw(first, second, int(np.searchsorted(np.cumsum([share for share, _ in _MIX]), chance[2], side="right")), mirror)


def poses(prior: Prior, draws: list[Draw]) -> np.ndarray:
    """Local rotations (N, 24, 3, 3) within the limits, without heading; each as if it were alone."""
    first = prior.decode(prior.place(np.array([d.first for d in draws])))
    mixed = np.array([i for i, d in enumerate(draws) if d.mix >= 0], int)
    if len(mixed):
        second = prior.decode(prior.place(np.array([draws[i].second for i in mixed])))
        for row, i in enumerate(mixed):
            given = JOINTS_GIVEN[draws[i].mix]
            first[i, given] = second[row, given]
    flipped = np.array([d.mirror for d in draws])
    first[flipped] = mirrored(first[flipped])
    return fenced(first)


# SMPL joints that the second figure gives, for each kind of mix.
JOINTS_GIVEN = tuple(np.array([SMPL_JOINTS.index(j) for group in groups for j in _GROUPS[group]]) for _, groups in _MIX)
