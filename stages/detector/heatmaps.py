"""Joints to heatmaps and back. A heatmap has 64x48 cells of 4x4 crop pixels; cells count from the corner, as pixels do."""

import torch
from torch import Tensor

ROWS, COLUMNS, CELL = 64, 48, 4
SIGMA = 1.5  # cells, of the gaussian that a heatmap is taught
_SHARPEN = 3.0  # the mean about the peak is taken of this power, or the window's edge would draw it to the middle
_MEAN, _MASS = 2, 3  # half sides, in cells, of the windows about the peak


def gaussians(joints: Tensor) -> Tensor:
    """Distributions (B, K, 64, 48), each with sum 1, about joints (B, K, 2) in crop px."""
    cells = joints.float() / CELL
    across = _gaussian(cells[..., :1], COLUMNS)
    down = _gaussian(cells[..., 1:], ROWS)
    return down[..., :, None] * across[..., None, :]


def _gaussian(centre: Tensor, count: int) -> Tensor:
    middles = torch.arange(count, device=centre.device) + 0.5
    return torch.softmax(-((middles - centre) ** 2) / (2 * SIGMA**2), -1)


def spread(logits: Tensor) -> Tensor:
    """Logits (B, K, 64, 48) to distributions of the same shape."""
    return logits.float().flatten(2).softmax(-1).view(logits.shape)


def decode(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Where non-negative maps (B, K, 64, 48) peak, (B, K, 2) in cells, between cells too; the share (B, K) of each near its peak."""
    row, column = peaks(maps)
    near = _window(maps, row, column, _MASS).sum((-1, -2))
    mass = (near / maps.sum((-1, -2)).clamp(min=1e-12)).clamp(0, 1)
    weight = _window(maps, row, column, _MEAN)
    weight = (weight / weight.amax((-1, -2), keepdim=True).clamp(min=1e-12)) ** _SHARPEN
    weight = weight / weight.sum((-1, -2), keepdim=True).clamp(min=1e-12)
    step = torch.arange(-_MEAN, _MEAN + 1, device=maps.device, dtype=maps.dtype)
    x = column + 0.5 + (weight.sum(-2) * step).sum(-1)
    y = row + 0.5 + (weight.sum(-1) * step).sum(-1)
    return torch.stack([x, y], -1), mass


def second(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Where a distribution (B, K, 64, 48) has its next peak, (B, K, 2) in cells, and the share (B, K) that lies near it: of a joint
    that was misread this is often its place."""
    row, column = (place[..., None, None] for place in peaks(maps))
    y, x = torch.arange(ROWS, device=maps.device)[:, None], torch.arange(COLUMNS, device=maps.device)
    rest = maps.masked_fill(((y - row).abs() <= _MASS) & ((x - column).abs() <= _MASS), 0)
    places, mass = decode(rest)
    return places, mass * rest.sum((-1, -2))


def peaks(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column (B, K) of the highest cell."""
    best = maps.flatten(2).argmax(-1)
    return best // maps.shape[-1], best % maps.shape[-1]


def _window(maps: Tensor, row: Tensor, column: Tensor, half: int) -> Tensor:
    """The (B, K, 2 half + 1, 2 half + 1) cells about each peak; zeros beyond the map."""
    padded = torch.nn.functional.pad(maps, (half, half, half, half))
    step = torch.arange(2 * half + 1, device=maps.device)
    index = (row[..., None, None] + step[:, None]) * padded.shape[-1] + column[..., None, None] + step
    return padded.flatten(2).gather(2, index.flatten(2)).view(index.shape)
