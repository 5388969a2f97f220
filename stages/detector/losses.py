"""What the networks are taught, each a sum of terms by name."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from stages.detector.finder_net import FinderNet, edge_targets
from stages.detector.heatmaps import gaussians
from stages.detector.pose_net import PoseNet, normalised

_OCCLUDED = 0.5  # weight of a joint that is drawn over, against one in sight
_VISIBILITY, _STYLE, _FIGURE = 0.25, 1.0, 1.0


class CropBatch(NamedTuple):
    """images (B, 256, 192, 3) uint8; joints (B, 16, 2) px of the crop; visibility (B, 16) long."""

    images: Tensor
    joints: Tensor
    visibility: Tensor


class PictureBatch(NamedTuple):
    """images (B, 128, 128, 3) uint8; there (B,) float 0 or 1; boxes (B, 4) px of it; figure (B, 32, 32) float 0 or 1; styles (B,) long."""

    images: Tensor
    there: Tensor
    boxes: Tensor
    figure: Tensor
    styles: Tensor


def pose_losses(net: PoseNet, batch: CropBatch) -> dict[str, Tensor]:
    """Cross-entropy of each joint's heatmap with a gaussian, and of what is known of its visibility."""
    seen = net(normalised(batch.images))
    share = seen.logits.float().flatten(2).log_softmax(-1)
    each = -(gaussians(batch.joints).flatten(2) * share).sum(-1)
    weight = _joint_weights(batch.visibility)
    visibility = nn.functional.cross_entropy(seen.visibility.float().flatten(0, 1), batch.visibility.flatten())
    return {"joints": (weight * each).sum() / weight.sum().clamp(min=1), "visibility": _VISIBILITY * visibility}


def finder_losses(net: FinderNet, batch: PictureBatch) -> dict[str, Tensor]:
    """Cross-entropy of whether there is a figure and of its cells; where there is, of the edges with gaussians and of the style."""
    found = net(normalised(batch.images))
    weight = batch.there / batch.there.sum().clamp(min=1)
    there = nn.functional.binary_cross_entropy_with_logits(found.there.float(), batch.there)
    edges = -(edge_targets(batch.boxes) * found.edges.float().log_softmax(-1)).sum(-1).mean(-1)
    figure = nn.functional.binary_cross_entropy_with_logits(found.figure.float(), batch.figure)
    style = nn.functional.cross_entropy(found.styles.float(), batch.styles, reduction="none")
    terms = {"there": there, "figure": _FIGURE * figure}
    return terms | {"edges": (weight * edges).sum(), "style": _STYLE * (weight * style).sum()}


def _joint_weights(visibility: Tensor) -> Tensor:
    """0, 0.5, 1 for outside, occluded, visible."""
    return torch.tensor([0, _OCCLUDED, 1.0], device=visibility.device)[visibility]
