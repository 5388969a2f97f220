"""The finder: a small U-shaped network that sees the whole picture at 128 px; whether there is a figure, its box, and the style."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from manifests.skeleton import STYLES
from stages.detector.crops import PICTURE
from stages.detector.refine import convolution

MAP, BEYOND = 32, 8  # cells of 4 px along a side; cells beyond each border in which an edge may lie
CELL = PICTURE // MAP
EDGE_SIGMA = 1.0  # cells, of the gaussian that an edge is taught
_NEAR = 2  # half the cells about the likeliest edge that its place is taken from
_FEATURES, _WIDTH = 64, 48


class Found(NamedTuple):
    """Logits: there (B,), of a figure being drawn; figure (B, 32, 32); edges (B, 4, 48) of x0, y0, x1, y1; styles (B, 6)."""

    there: Tensor
    figure: Tensor
    edges: Tensor
    styles: Tensor


class FinderNet(nn.Module):
    """Pictures (B, 3, 128, 128), normalised, to where the figure is and how it is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.at32 = nn.Sequential(convolution(3, 24, 2), convolution(24, 48, 2), convolution(48, 48, 1))
        self.at16 = nn.Sequential(convolution(48, 80, 2), convolution(80, 80, 1))
        self.at8 = nn.Sequential(convolution(80, 96, 2), convolution(96, 96, 1))
        self.at4 = convolution(96, 96, 2)
        self.from4, self.from8, self.from16 = nn.Conv2d(96, 96, 1), nn.Conv2d(96, 80, 1), nn.Conv2d(_FEATURES, _FEATURES, 1)
        self.mix16, self.mix32 = convolution(80, _FEATURES, 1), convolution(_FEATURES, _FEATURES, 1)
        self.side32 = nn.Conv2d(48, _FEATURES, 1)
        self.figure = nn.Conv2d(_FEATURES, 1, 1)
        self.across, self.down = _Edges(), _Edges()
        pooled = 2 * (48 + 80 + 96 + 96)
        self.there = nn.Sequential(nn.Linear(pooled + 2 * _FEATURES, 64), nn.GELU(), nn.Linear(64, 1))
        self.style = nn.Sequential(nn.Linear(pooled, 64), nn.GELU(), nn.Linear(64, len(STYLES)))

    def forward(self, pictures: Tensor) -> Found:
        """Down to 4x4 cells, up again to 32x32, then each edge by rows or columns."""
        at32 = self.at32(pictures)
        at16 = self.at16(at32)
        at8 = self.at8(at16)
        at4 = self.at4(at8)
        up8 = at8 + _doubled(self.from4(at4))
        up16 = self.mix16(at16 + _doubled(self.from8(up8)))
        up32 = self.mix32(self.side32(at32) + _doubled(self.from16(up16)))
        x0, x1 = self.across(up32, 2).unbind(1)
        y0, y1 = self.down(up32, 3).unbind(1)
        pooled = _pooled(at32, at16, at8, at4)
        there = self.there(torch.cat([pooled, _pooled(up32)], 1))[:, 0]
        return Found(there, self.figure(up32)[:, 0], torch.stack([x0, y0, x1, y1], 1), self.style(pooled))


class _Edges(nn.Module):
    """Two edges of the box along one side of the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(2 * _FEATURES, _WIDTH, 5, padding=2)
        self.second = nn.Conv1d(_WIDTH, _WIDTH, 5, padding=2)
        self.last = nn.Conv1d(_WIDTH, 2, 5, padding=2)

    def forward(self, features: Tensor, over: int) -> Tensor:
        """features (B, 64, 32, 32), pooled over the dimension `over`, to logits (B, 2, 48)."""
        profile = torch.cat([features.mean(over), features.amax(over)], 1)
        profile = nn.functional.pad(profile, (BEYOND, BEYOND))
        hidden = nn.functional.gelu(self.first(profile))
        return self.last(nn.functional.gelu(self.second(hidden)))


def _doubled(features: Tensor) -> Tensor:
    return nn.functional.interpolate(features, scale_factor=2.0, mode="nearest")


def _pooled(*levels: Tensor) -> Tensor:
    return torch.cat([pool for level in levels for pool in (level.mean((2, 3)), level.amax((2, 3)))], 1)


def edge_targets(boxes: Tensor) -> Tensor:
    """Distributions (B, 4, 48) about the edges of boxes (B, 4), px of the 128 px picture."""
    middles = torch.arange(MAP + 2 * BEYOND, device=boxes.device) + 0.5 - BEYOND
    cells = (boxes / CELL).clamp(-BEYOND + 0.5, MAP + BEYOND - 0.5)[..., None]
    return torch.softmax(-((middles - cells) ** 2) / (2 * EDGE_SIGMA**2), -1)


def boxes_of(edges: Tensor) -> Tensor:
    """Boxes (B, 4) in px of the 128 px picture."""
    share = edges.float().softmax(-1)
    step = torch.arange(share.shape[-1], device=edges.device)
    near = (step - share.argmax(-1, keepdim=True)).abs() <= _NEAR
    middle = (share * near * step).sum(-1) / (share * near).sum(-1)
    return (middle + 0.5 - BEYOND) * CELL
