"""The mean pose: what one would say of a sketch without looking. Rotations are learned as departures from it."""

from dataclasses import dataclass

import numpy as np

from estimator.data import Sketches
from estimator.rotations import mean_rotation

# Means of large splits are taken over this many samples, spread evenly.
MOST = 2000


@dataclass(frozen=True)
class MeanPose:
    """Means over a split: pose (24, 3, 3), betas (10,), bone_scales (24,), joints3d and joints3d_drawn (16, 3) m from the hips'
    midpoint, joints2d (16, 2) in [0, 1] of the picture."""

    pose: np.ndarray
    betas: np.ndarray
    bone_scales: np.ndarray
    joints3d: np.ndarray
    joints3d_drawn: np.ndarray
    joints2d: np.ndarray


def mean_pose(sketches: Sketches) -> MeanPose:
    """The means over a split."""
    chosen = np.linspace(0, len(sketches) - 1, min(MOST, len(sketches))).round().astype(int)
    samples = [sketches[int(index)] for index in chosen]
    return MeanPose(
        pose=mean_rotation(np.stack([s.pose for s in samples])),
        betas=np.mean([s.betas for s in samples], axis=0),
        bone_scales=np.exp(np.mean([np.log(s.bone_scales) for s in samples], axis=0)),
        joints3d=np.mean([s.joints3d for s in samples], axis=0),
        joints3d_drawn=np.mean([s.joints3d_drawn for s in samples], axis=0),
        joints2d=np.mean([s.joints2d for s in samples], axis=0) / sketches.size,
    )
