"""Pose2Pose: joints by 3D heatmaps, features picked at those joints, rotations from both.

After Moon, Choi and Lee (arXiv 2011.11534), with a compact backbone trained from scratch. Two changes matter: coordinates are
sub-pixel consistent (one scale from the labels through the heatmap to the pooling), and heatmaps reach one cell beyond the
picture, since a mean over cell centres could never place a joint near its border.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from estimator.backbone import Backbone
from estimator.head import FigureHead
from estimator.pooling import pool_at
from estimator.prediction import Prediction
from estimator.skeleton import Skeleton
from manifests.skeleton import CHILDREN, EDGES, JOINTS, LEFT_HIP, PARENTS, RIGHT_HIP

DEPTH_CELLS, DEPTH_RANGE = 8, 1.2  # the heatmap spans +-1.2 m about the hips' midpoint: the mean of cells comes as far as 1.05 m
POOLED, HIDDEN = 32, 256


class Pose2Pose(nn.Module):
    """Pictures (B, 3, S, S) in [0, 1] to a Prediction. `mean_pose` (24, 3, 3) is where rotations start from.

    pooling: rotations see the features at the joints; else, to see what that is worth, the mean of the picture in their place.
    """

    def __init__(self, width: int, groups: int, skeleton: Skeleton, mean_pose: Tensor, pooling: bool = True):
        super().__init__()
        self.backbone = Backbone(width, groups)
        self.position = PositionNet(self.backbone.local_channels)
        self.rotation = RotationNet(self.backbone.local_channels, pooling)
        self.head = FigureHead(HIDDEN, self.backbone.wide_channels, skeleton, mean_pose)

    def forward(self, images: Tensor) -> Prediction:
        local, wide = self.backbone(images)
        where, heat = self.position(local)
        # Detached, as published: the rotations must not bend the heatmaps to their liking.
        known = self.rotation(local, where.detach())
        size = images.shape[-1]
        read = torch.cat([where[..., :2] * size, (where[..., 2:] * 2 - 1) * DEPTH_RANGE], -1)
        seen = self.head(known, wide.mean((2, 3)), size, read)
        return seen._replace(heat=heat.logsumexp(2))


class PositionNet(nn.Module):
    """Features (B, C, H, W) to joints (B, 16, 3) and the logarithm of each joint's share of the cells (B, 16, D, H + 2, W + 2).

    x and y of a joint are in [0, 1] across the picture, z in [0, 1] across the depth range.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.heat = nn.Conv2d(channels, len(JOINTS) * DEPTH_CELLS, 3, padding=2)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        heat = self.heat(features)  # one cell larger on every side
        batch, _, height, width = heat.shape
        heat = heat.reshape(batch, len(JOINTS), -1).log_softmax(-1).view(batch, len(JOINTS), DEPTH_CELLS, height, width)
        share = heat.exp()
        x = share.sum((2, 3)) @ _cell_centres(width - 2, 1, heat)
        y = share.sum((2, 4)) @ _cell_centres(height - 2, 1, heat)
        z = share.sum((3, 4)) @ _cell_centres(DEPTH_CELLS, 0, heat)
        return torch.stack([x, y, z], dim=-1), heat


class RotationNet(nn.Module):
    """Features (B, C, H, W) and joints (B, 16, 3) to what is known of the figure (B, HIDDEN)."""

    def __init__(self, channels: int, pooling: bool):
        super().__init__()
        self.pooling = pooling
        self.reduce = nn.Sequential(nn.Conv2d(channels, POOLED, 1), nn.GroupNorm(1, POOLED), nn.SiLU())
        known = len(JOINTS) * (POOLED + 3) + len(EDGES) * 3
        self.hidden = nn.Sequential(nn.Linear(known, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU())

    def forward(self, features: Tensor, where: Tensor) -> Tensor:
        reduced = self.reduce(features)
        picked = pool_at(reduced, where[..., :2]) if self.pooling else reduced.mean((2, 3))[:, None].expand(-1, len(JOINTS), -1)
        return self.hidden(torch.cat([picked.flatten(1), _geometry(where)], dim=1))


def _geometry(where: Tensor) -> Tensor:
    """Joints from the hips and bone directions: rotations hardly depend on place or size, so a few samples teach more."""
    hips = where[:, (RIGHT_HIP, LEFT_HIP)].mean(1, keepdim=True)
    bones = where[:, CHILDREN] - where[:, PARENTS]
    return torch.cat([(where - hips).flatten(1) * 4, F.normalize(bones, dim=-1, eps=1e-4).flatten(1)], dim=1)


def _cell_centres(cells: int, beyond: int, like: Tensor) -> Tensor:
    return (torch.arange(-beyond, cells + beyond, device=like.device, dtype=like.dtype) + 0.5) / cells
