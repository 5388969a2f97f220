"""What a model is told before it looks: where the joints are in 2D, and what was seen there."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.detector.crops import HEIGHT, WIDTH

_FINE = 4  # places a side of each cell that heatmaps are read at


class Found(NamedTuple):
    """Where a look found joints: joints (B, 16, 2) in [0, 1] across the picture; sure (B, 16) in [0, 1]; visibility (B, 16, 3)
    probabilities of outside, occluded, visible."""

    joints: Tensor
    sure: Tensor
    visibility: Tensor

    def to(self, device: torch.device) -> "Found":
        """The same on another device."""
        return Found(*(part.to(device) for part in self))


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
        inside = (places - self.corner[:, None, None]) / extent(self.height)[:, None, None]
        laid = F.avg_pool2d(F.grid_sample(self.share, inside * 2 - 1, align_corners=False), _FINE)
        return laid / laid.sum((-1, -2), keepdim=True).clamp(min=1e-6)


def extent(height: Tensor) -> Tensor:
    """Width and height (B, 2) of crops of these heights (B,)."""
    return torch.stack([height * WIDTH / HEIGHT, height], -1)
