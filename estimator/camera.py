"""Weak-perspective cameras (B, 3) of drawn figures: the scale in px per metre, then where the hips' midpoint lies in px."""

import torch
from torch import Tensor

from estimator.prediction import Prediction

_LEAST_SCALE, _LEAST_WEIGHT = 0.05, 1e-4


def camera_of(numbers: Tensor, size: int) -> Tensor:
    """A network's numbers (B, 3), 0 for a figure in the middle, to the camera of a picture of `size` px a side."""
    return torch.cat([size / 2 * numbers[:, :1].exp(), size * (numbers[:, 1:] + 0.5)], dim=1)


def project(joints3d: Tensor, camera: Tensor) -> Tensor:
    """Joints (B, J, 3) m to (B, J, 2) px by camera (B, 3)."""
    return camera[:, None, :1] * joints3d[..., :2] + camera[:, None, 1:]


def laid(joints3d: Tensor, joints2d: Tensor, weight: Tensor) -> Tensor:
    """The camera that lays joints (B, J, 3) m best on joints (B, J, 2) px, by least squares, each counted by its weight (B, J)."""
    weight = weight.clamp(min=_LEAST_WEIGHT)
    share = (weight / weight.sum(1, keepdim=True))[..., None]
    flat = joints3d[..., :2]
    here, there = (share * flat).sum(1), (share * joints2d).sum(1)
    a, b = flat - here[:, None], joints2d - there[:, None]
    scale = ((share * a * b).sum((1, 2)) / (share * a * a).sum((1, 2)).clamp(min=1e-6)).clamp(min=_LEAST_SCALE)[:, None]
    return torch.cat([scale, there - scale * here], 1)


def laid_on_its_joints(seen: Prediction) -> Prediction:
    """What a model says of pictures, but its figure lies as well as it can on the joints that it read in them, the sure ones above all.

    For use, not for training: there the model's own camera teaches it where the figure lies.
    """
    return seen._replace(camera=laid(seen.joints3d_drawn, seen.joints2d, seen.confidence.square()))
