"""Losses on where joints are: in the picture, in depth, in space, and under the camera; and how sure the network may be."""

import torch
from torch import Tensor
from torch.nn import functional as F

from estimator.batch import Batch
from estimator.camera import project
from estimator.prediction import Prediction
from manifests.skeleton import LEFT_HIP, NECK, RIGHT_HIP
from stages.detector.metrics import NEAR


def heat(seen: Prediction, truth: Batch) -> Tensor:
    """Negative log-likelihood of finding joints where they are. 0 for models without heatmaps.

    A mean over cells says only that it is off; this says which cells to favour, and teaches in a fraction of the steps.
    """
    if seen.heat is None:
        return truth.joints2d.new_zeros(())
    cells = torch.tensor([seen.heat.shape[3], seen.heat.shape[2]], device=seen.heat.device)
    places = (truth.joints2d / truth.images.shape[-1] * (cells - 2) + 1) / cells  # the map reaches one cell beyond the picture
    found = F.grid_sample(seen.heat.flatten(0, 1)[:, None], places.flatten(0, 1)[:, None, None] * 2 - 1, align_corners=False)
    return _over_inside(-found.view_as(truth.visibility), truth)


def joints2d(seen: Prediction, truth: Batch) -> Tensor:
    """L1, in shares of the picture, of the joints inside it; hidden ones count: their place is known."""
    return _apart(seen.joints2d, truth)


def depth(seen: Prediction, truth: Batch) -> Tensor:
    """L1 in metres of the depth read from the picture."""
    return F.l1_loss(seen.depth, truth.joints3d_drawn[..., 2])


def joints3d(seen: Prediction, truth: Batch) -> Tensor:
    """L1 in metres of the body's joints."""
    return F.l1_loss(seen.joints3d, truth.joints3d)


def joints3d_drawn(seen: Prediction, truth: Batch) -> Tensor:
    """L1 in metres of the drawn joints."""
    return F.l1_loss(seen.joints3d_drawn, truth.joints3d_drawn)


def camera(seen: Prediction, truth: Batch) -> Tensor:
    """L1, in shares of the picture, of the true drawn joints under the predicted camera: it must not bend the pose."""
    return _apart(project(truth.joints3d_drawn, seen.camera), truth)


def reprojection(seen: Prediction, truth: Batch) -> Tensor:
    """The same of the predicted drawn joints: the figure must lie over the drawing."""
    return _apart(project(seen.joints3d_drawn, seen.camera), truth)


def confidence(seen: Prediction, truth: Batch) -> Tensor:
    """Binary cross-entropy of which joints were found within 0.1 torso lengths: of those outside the picture, none."""
    hit = found(seen.joints2d.detach(), truth.joints2d) & (truth.visibility > 0)
    return F.binary_cross_entropy(seen.confidence, hit.float())


def found(seen: Tensor, truth: Tensor) -> Tensor:
    """Which joints (B, 16, 2) lie within 0.1 torso lengths, neck to the hips' midpoint in the drawing, of their places."""
    torso = (truth[:, NECK] - truth[:, (RIGHT_HIP, LEFT_HIP)].mean(1)).norm(dim=-1, keepdim=True)
    return (seen - truth).norm(dim=-1) <= NEAR * torso


def _apart(joints2d: Tensor, truth: Batch) -> Tensor:
    return _over_inside((joints2d - truth.joints2d).abs().mean(-1) / truth.images.shape[-1], truth)


def _over_inside(values: Tensor, truth: Batch) -> Tensor:
    """Mean over samples of the mean of values (B, 16) over the joints inside the picture."""
    inside = truth.visibility > 0
    return ((values * inside).sum(1) / inside.sum(1).clamp(min=1)).mean()
