"""One figure as it was read from a drawing: what every export, overlay and correction works from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from estimator.prediction import Prediction
from estimator.sample import Sample
from manifests.skeleton import LEFT_HIP, RIGHT_HIP, VISIBLE
from stages.body.camera import project
from stages.body.model import BodyModel, Posed
from stages.body.rotations import axis_angle_from_matrix


class Hypothesis(NamedTuple):
    """One way to read the drawing: pose, bone_scales, camera as in Figure; score in [0, 1], those of a figure sum to 1."""

    pose: np.ndarray
    score: float
    bone_scales: np.ndarray
    camera: np.ndarray


@dataclass(frozen=True, eq=False)
class Figure:
    """One figure. Camera frame: x right, y down, z away from the viewer, metres; pixels of the picture, from its top-left corner.

    pose (24, 3, 3) local rotations, the root in the camera frame; betas (10,); bone_scales (24,) as in the labels, 1 where nothing
    is known of them; camera (3,): px per metre, then the hips' midpoint in px; joints2d (16, 2) px where the joints were seen;
    confidence (16,) in [0, 1]; hypotheses: ways to read the drawing, best first; of a fit from joints the first is `pose` itself;
    a network's `pose` is what it says of all limbs at once, which may be none of them.
    """

    pose: np.ndarray
    betas: np.ndarray
    bone_scales: np.ndarray
    camera: np.ndarray
    joints2d: np.ndarray
    confidence: np.ndarray
    hypotheses: tuple[Hypothesis, ...] = ()


def undistorted(figure: Figure) -> Figure:
    """The figure with the body's own proportions."""
    return replace(figure, bone_scales=np.ones(24))


def as_read(figure: Figure, way: Hypothesis) -> Figure:
    """The figure, read that way."""
    return replace(figure, pose=way.pose, bone_scales=way.bone_scales, camera=way.camera)


def posed(body: BodyModel, figure: Figure) -> Posed:
    """Skin and joints in the camera frame, metres from the hips' midpoint."""
    free = body.pose(axis_angle_from_matrix(figure.pose), figure.betas, figure.bone_scales)
    middle = free.joints16[[RIGHT_HIP, LEFT_HIP]].mean(0)
    return Posed(free.vertices - middle, free.joints - middle, free.joints16 - middle)


def in_picture(figure: Figure, points: np.ndarray) -> np.ndarray:
    """Where points (K, 3) of `posed` lie in the picture, (K, 2) px."""
    return points[:, :2] * figure.camera[0] + figure.camera[1:]


def figures_of(seen: Prediction, matrices: np.ndarray | Sequence[np.ndarray]) -> list[Figure]:
    """The B figures of an estimator's Prediction; matrices (B, 2, 3): from the picture's px to those of the network's input."""
    names = ("pose", "betas", "bone_scales", "camera", "joints2d", "confidence")
    columns = [getattr(seen, name).detach().cpu().double().numpy() for name in names]
    return [
        Figure(pose, betas, scales, *_to_picture(camera, joints2d, matrix), sure)
        for pose, betas, scales, camera, joints2d, sure, matrix in zip(*columns, matrices, strict=True)
    ]


def figure_of_sample(sample: Sample) -> Figure:
    """The labels of a sample: a camera as good as its own at the hips' depth; sure are the joints that are visible."""
    depth, middle = sample.hips[2], project(sample.hips, sample.camera_K)
    camera, sure = np.array([sample.camera_K[0, 0] / depth, *middle]), (sample.visibility == VISIBLE).astype(np.float64)
    return Figure(sample.pose, sample.betas, sample.bone_scales, camera, sample.joints2d, sure)


def _to_picture(camera: np.ndarray, joints2d: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Camera (3,) and joints (16, 2) of a crop in px of the picture; the crop is scaled and moved, never distorted."""
    scale, offset = matrix[0, 0], matrix[:, 2]
    return np.array([camera[0] / scale, *((camera[1:] - offset) / scale)]), (joints2d - offset) / scale
