"""What a model is told before it looks: where the joints are in 2D, by a finder and a ViTPose, both frozen."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from estimator.mixed import frozen
from manifests.errors import UserError
from stages.detector.crops import HEIGHT, LEAST, PADDING, PICTURE, WIDTH
from stages.detector.detect import load_detector
from stages.detector.eyes import OwnEyes
from stages.detector.finder_net import FinderNet, boxes_of
from stages.detector.heatmaps import COLUMNS, ROWS, decode, second, spread
from stages.detector.pose_net import PoseNet, scaled

_FINE = 4  # places a side of each cell that heatmaps are read at


class Found(NamedTuple):
    """Where a look found joints: joints (B, 16, 2) in [0, 1] across the picture; sure (B, 16) in [0, 1]; visibility (B, 16, 3)
    probabilities of outside, occluded, visible."""

    joints: Tensor
    sure: Tensor
    visibility: Tensor


class Guidance(NamedTuple):
    """joints (B, 16, 2) in [0, 1] across the picture; sure (B, 16) in [0, 1]; others (B, 16, 2), where each may lie if not there, and
    others_sure; visibility (B, 16, 3) probabilities of outside, occluded, visible; features (B, 16, C) of what was seen at each joint;
    share (B, 16, 64, 48) of each cell of the crop that was looked at, whose height (B,) and corner (B, 2) are in [0, 1] of the picture;
    placed (B, 16), 1 where a user put the joint, else 0."""

    joints: Tensor
    sure: Tensor
    others: Tensor
    others_sure: Tensor
    visibility: Tensor
    features: Tensor
    share: Tensor
    height: Tensor
    corner: Tensor
    placed: Tensor

    def seen_again(self, found: Found) -> "Guidance":
        """The same, but a more thorough look has found the joints."""
        return self._replace(**found._asdict())

    def corrected(self, places: Tensor) -> "Guidance":
        """The same, but joints whose places (B, 16, 2) in [0, 1] are not NaN lie there for sure; what was seen elsewhere is forgotten."""
        placed = places.isfinite().all(-1)
        free = (~placed).float()
        return self._replace(
            joints=torch.where(placed[..., None], places, self.joints),
            sure=torch.where(placed, 1.0, self.sure),
            others_sure=self.others_sure * free,
            visibility=self.visibility * free[..., None],
            features=self.features * free[..., None],
            placed=placed.float(),
        )

    def to(self, device: torch.device, non_blocking: bool = True) -> "Guidance":
        """The same on another device."""
        return Guidance(*(part.to(device, non_blocking=non_blocking) for part in self))

    def heat(self, cells: int) -> Tensor:
        """(B, 16, cells, cells), each joint's share of the cells of the picture, 0 beyond the crop."""
        fine = _FINE * cells  # or a narrow peak could fall between the cells
        step = (torch.arange(fine, device=self.share.device) + 0.5) / fine
        places = torch.stack(torch.meshgrid(step, step, indexing="xy"), -1)[None]
        inside = (places - self.corner[:, None, None]) / _extent(self.height)[:, None, None]
        laid = F.avg_pool2d(F.grid_sample(self.share, inside * 2 - 1, align_corners=False), _FINE)
        return laid / laid.sum((-1, -2), keepdim=True).clamp(min=1e-6)


class Guide:
    """The two networks of the detector as one function of whole pictures, on the device and without leaving it.

    Not a module: its weights are the detector's, and are not saved with the estimator's.
    """

    def __init__(self, finder: FinderNet, eyes: PoseNet):
        self.finder, self.eyes = frozen(finder), frozen(eyes)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Guidance:
        """Pictures (B, 3, S, S) in [0, 1]."""
        height, corner = _crops(self.boxes(images))
        seen = self.eyes(scaled(_cut(images, height, corner)))
        share = spread(seen.logits)
        (cells, mass), (other_cells, other_mass) = decode(share), second(share)
        joints, others = (
            corner[:, None] + places / places.new_tensor([COLUMNS, ROWS]) * _extent(height)[:, None] for places in (cells, other_cells)
        )
        visibility, features = seen.visibility.float().softmax(-1), seen.features.float()
        return Guidance(joints, mass, others, other_mass, visibility, features, share, height, corner, torch.zeros_like(mass))

    def boxes(self, images: Tensor) -> Tensor:
        """Boxes (B, 4) x0, y0, x1, y1 of the figures, in [0, 1] across the picture."""
        small = F.interpolate(images, (PICTURE, PICTURE), mode="bilinear", antialias=True)
        return boxes_of(self.finder(scaled(small)).edges) / PICTURE


def load_guide(folder: Path, device: torch.device) -> Guide:
    """The detector of a folder. Raises UserError where it is none of ours."""
    detector = load_detector(folder, str(device))
    if not isinstance(detector.eyes, OwnEyes):
        raise UserError(f"{folder}: a detector of another kind; only one of `make train-detector` can guide")
    return Guide(detector.finder.net, detector.eyes.net)


def _crops(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Height of the padded crop (B,) and its corner (B, 2), in [0, 1] of the picture, by the rule of stages.detector.crops."""
    low, high = boxes[:, :2], boxes[:, 2:]
    wide, tall = (high - low).clamp(min=LEAST / PICTURE).unbind(-1)
    height = PADDING * torch.maximum(tall, wide * HEIGHT / WIDTH)
    return height, (low + high) / 2 - _extent(height) / 2


def _extent(height: Tensor) -> Tensor:
    """Width and height (B, 2) of crops of these heights (B,)."""
    return torch.stack([height * WIDTH / HEIGHT, height], -1)


def _cut(images: Tensor, height: Tensor, corner: Tensor) -> Tensor:
    """Crops (B, 3, 256, 192) of pictures (B, 3, S, S); beyond the picture lies its border."""
    down, across = ((torch.arange(n, device=images.device) + 0.5) / n for n in (HEIGHT, WIDTH))
    places = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)[None]
    places = corner[:, None, None] + places * _extent(height)[:, None, None]
    return F.grid_sample(images, places * 2 - 1, padding_mode="border", align_corners=False)
