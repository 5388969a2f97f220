"""How a figure stands to the viewer: mostly near-frontal with a tail, as the recipe says, whatever the source."""

from typing import NamedTuple

import numpy as np

from manifests.recipe import Poses as PosesConfig
from stages.body.rotations import about, matrix_from_axis_angle

_FROM_THE_SIDE = 75.0  # degrees; a figure that lies or crawls is best seen along its length
_UPRIGHT, _LYING = 0.75, 0.4  # upward part of the trunk


class Stand(NamedTuple):
    """What is random about it: facing away from the best view in degrees, or any angle at all; where and how far it leans."""

    facing: float
    anywhere: bool
    side: float
    towards: float
    lean: float


def draw_stand(rng: np.random.Generator, config: PosesConfig) -> Stand:
    """One figure's stand; takes as many numbers from rng whatever the recipe says."""
    normal, chance = rng.normal(size=2), rng.random(4)
    anywhere = bool(chance[0] < config.back_share)
    facing = 360 * chance[1] - 180 if anywhere else config.facing_deg * normal[0]
    return Stand(facing, anywhere, 1.0 if chance[2] < 0.5 else -1.0, 2 * np.pi * chance[3], np.radians(config.lean_deg * normal[1]))


def turn_in_world(roots: np.ndarray, best: np.ndarray, stands: list[Stand]) -> np.ndarray:
    """Root rotations (N, 3, 3) after a slight lean and the turn to their facing.

    best (N,): degrees from which each figure is best seen; nan: from the front, or from the side where it lies.
    """
    facing, anywhere, side, towards, lean = (np.array(column, np.float64) for column in zip(*stands, strict=True))
    lies = np.clip((_UPRIGHT - np.abs(roots[:, 1, 1])) / (_UPRIGHT - _LYING), 0, 1)
    best = np.where(np.isnan(best), side * _FROM_THE_SIDE * lies, best)
    facing = facing + np.where(anywhere > 0, 0.0, best)
    tilt = matrix_from_axis_angle(lean[:, None] * np.stack([np.cos(towards), np.zeros(len(lean)), np.sin(towards)], -1))
    return about("y", np.radians(facing)) @ tilt @ roots
