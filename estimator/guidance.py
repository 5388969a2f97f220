"""What Sketch2PoseNet is told before it looks: where the joints are in 2D, by a finder and a ViTPose, both frozen."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from estimator.mixed import frozen
from stages.detector.crops import HEIGHT, LEAST, PADDING, PICTURE, WIDTH
from stages.detector.finder_net import FinderNet, boxes_of
from stages.detector.heatmaps import COLUMNS, ROWS, decode, spread
from stages.detector.pose_net import PoseNet, scaled

_FINE = 4  # places a side of each cell that heatmaps are read at


class Guidance(NamedTuple):
    """joints (B, 16, 2) in [0, 1] across the picture; sure (B, 16) in [0, 1]; visibility (B, 16, 3) probabilities of outside,
    occluded, visible; heat (B, 16, N, N), each joint's share of the cells of the picture, 0 beyond the crop that was looked at."""

    joints: Tensor
    sure: Tensor
    visibility: Tensor
    heat: Tensor


class Guide:
    """The two networks of the detector as one function of whole pictures, on the device and without leaving it.

    Not a module: its weights are the detector's, and are not saved with the estimator's.
    """

    def __init__(self, finder: FinderNet, eyes: PoseNet, cells: int):
        self.finder, self.eyes, self.cells = frozen(finder), frozen(eyes), cells

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Guidance:
        """Pictures (B, 3, S, S) in [0, 1]."""
        boxes = self.boxes(images)
        scale, corner = _crops(boxes)
        seen = self.eyes(scaled(_cut(images, scale, corner)))
        share = spread(seen.logits)
        cells, mass = decode(share)
        joints = corner[:, None] + cells / cells.new_tensor([COLUMNS, ROWS]) * _extent(scale)[:, None]
        return Guidance(joints, mass, seen.visibility.float().softmax(-1), self._laid(share, scale, corner))

    def boxes(self, images: Tensor) -> Tensor:
        """Boxes (B, 4) x0, y0, x1, y1 of the figures, in [0, 1] across the picture."""
        small = F.interpolate(images, (PICTURE, PICTURE), mode="bilinear", antialias=True)
        return boxes_of(self.finder(scaled(small)).edges) / PICTURE

    def _laid(self, share: Tensor, scale: Tensor, corner: Tensor) -> Tensor:
        """Heatmaps (B, 16, 64, 48) of crops, laid on the cells of their pictures."""
        fine = _FINE * self.cells  # or a narrow peak could fall between the cells
        step = (torch.arange(fine, device=share.device) + 0.5) / fine
        places = torch.stack(torch.meshgrid(step, step, indexing="xy"), -1)[None]
        inside = (places - corner[:, None, None]) / _extent(scale)[:, None, None]
        laid = F.avg_pool2d(F.grid_sample(share, inside * 2 - 1, align_corners=False), _FINE)
        return laid / laid.sum((-1, -2), keepdim=True).clamp(min=1e-6)


def _crops(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Height of the padded crop (B,) and its corner (B, 2), in [0, 1] of the picture, by the rule of stages.detector.crops."""
    low, high = boxes[:, :2], boxes[:, 2:]
    width, height = (high - low).clamp(min=LEAST / PICTURE).unbind(-1)
    scale = PADDING * torch.maximum(height, width * HEIGHT / WIDTH)
    return scale, (low + high) / 2 - _extent(scale) / 2


def _extent(scale: Tensor) -> Tensor:
    """Width and height (B, 2) of crops of these heights (B,)."""
    return torch.stack([scale * WIDTH / HEIGHT, scale], -1)


def _cut(images: Tensor, scale: Tensor, corner: Tensor) -> Tensor:
    """Crops (B, 3, 256, 192) of pictures (B, 3, S, S); beyond the picture lies its border."""
    down, across = ((torch.arange(n, device=images.device) + 0.5) / n for n in (HEIGHT, WIDTH))
    places = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)[None]
    places = corner[:, None, None] + places * _extent(scale)[:, None, None]
    return F.grid_sample(images, places * 2 - 1, padding_mode="border", align_corners=False)
