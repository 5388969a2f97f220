"""An hourglass of convolutions behind ViTPose: it moves each joint to where the lines put it, knowing where the others are."""

import torch
from torch import Tensor, nn

from manifests.skeleton import JOINTS


class Refine(nn.Module):
    """Adds to upsampled heatmaps what features at strides 4, 8 and 16 say of them.

    `channels`: of the features that come in; `widths`: of the hourglass, both from fine to coarse.
    """

    def __init__(self, channels: tuple[int, int, int], widths: tuple[int, int, int]):
        super().__init__()
        fine, middle, low = widths
        self.enter = convolution(channels[0] + len(JOINTS), fine, 1)
        self.down = nn.ModuleList([convolution(fine + channels[1], middle, 1), convolution(middle + channels[2], low, 1)])
        self.up = nn.ModuleList([convolution(low + middle, middle, 1), convolution(middle + fine, fine, 1)])
        self.blocks = nn.ModuleList(Block(width) for width in (low, middle, fine))
        self.out = nn.Conv2d(fine, len(JOINTS), 3, padding=1)

    def forward(self, fine: Tensor, middle: Tensor, low: Tensor, heatmaps: Tensor) -> Tensor:
        """(B, C, 64, 48), (B, C, 32, 24), (B, C, 16, 12) and heatmaps (B, 16, 32, 24) to logits (B, 16, 64, 48)."""
        coarse = _larger(heatmaps)
        first = self.enter(torch.cat([fine, coarse], 1))
        second = self.down[0](torch.cat([_smaller(first), middle], 1))
        third = self.blocks[0](self.down[1](torch.cat([_smaller(second), low], 1)))
        second = self.blocks[1](self.up[0](torch.cat([_larger(third), second], 1)))
        first = self.blocks[2](self.up[1](torch.cat([_larger(second), first], 1)))
        return coarse + self.out(first)


class Block(nn.Module):
    """Two convolutions, added to what came in."""

    def __init__(self, width: int):
        super().__init__()
        self.change = nn.Sequential(convolution(width, width, 1), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(x + self.change(x))


def convolution(before: int, after: int, stride: int) -> nn.Sequential:
    """3x3, batch norm, rectifier."""
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


def _larger(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2, mode="bilinear")


def _smaller(x: Tensor) -> Tensor:
    return nn.functional.max_pool2d(x, 2)
