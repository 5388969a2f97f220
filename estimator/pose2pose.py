"""A small Pose2Pose: joints by 3D heatmaps, features picked at those joints, rotations from both.

After Moon, Choi and Lee (arXiv 2011.11534), with a compact backbone trained from scratch. Two changes matter: coordinates are
sub-pixel consistent (one scale from the labels through the heatmap to the pooling), and heatmaps reach one cell beyond the
picture, since a mean over cell centres could never place a joint near its border.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from estimator.backbone import GROUPS, Backbone
from estimator.rotations import from_6d, to_6d
from estimator.skeleton import Skeleton
from manifests.skeleton import EDGES, JOINTS, LEFT_HIP, RIGHT_HIP

DEPTH_CELLS, DEPTH_RANGE = 8, 1.0  # the heatmap spans +-1 m about the hips' midpoint
POOLED, HIDDEN = 32, 256


class Prediction(NamedTuple):
    """What the network sees in B sketches.

    pose (B, 24, 3, 3), the root in the camera frame; six (B, 24, 6), the rough columns it was made from; betas (B, 10);
    camera (B, 3): scale in px per metre, then the hips' midpoint in px; joints3d (B, 16, 3) m, camera frame, from the hips'
    midpoint; joints2d (B, 16, 2) px of the network's input; depth (B, 16) m behind the hips' midpoint, as the heatmaps say;
    heat (B, 16, H, W) the logarithm of each joint's share of every cell, the ring of cells around the picture included.
    """

    pose: Tensor
    six: Tensor
    betas: Tensor
    camera: Tensor
    joints3d: Tensor
    joints2d: Tensor
    depth: Tensor
    heat: Tensor


class Pose2Pose(nn.Module):
    """Pictures (B, 3, S, S) in [0, 1] to a Prediction. `mean_pose` (24, 3, 3) is where rotations start from."""

    mean_six: Tensor

    def __init__(self, width: int, skeleton: Skeleton, mean_pose: Tensor):
        super().__init__()
        self.backbone = Backbone(width)
        self.position = PositionNet(self.backbone.local_channels)
        self.rotation = RotationNet(self.backbone.local_channels)
        self.whole = _zeroed(nn.Linear(self.backbone.wide_channels, 10 + 3))
        self.skeleton = skeleton
        self.register_buffer("mean_six", to_6d(mean_pose))

    def forward(self, images: Tensor) -> Prediction:
        local, wide = self.backbone(images)
        where, heat = self.position(local)
        # Detached, as published: the rotations must not bend the heatmaps to their liking.
        six = self.mean_six + self.rotation(local, where.detach())
        pose = from_6d(six)
        betas, camera = self.whole(wide.mean((2, 3))).split([10, 3], dim=1)
        size = images.shape[-1]
        return Prediction(
            pose=pose,
            six=six,
            betas=betas,
            camera=torch.cat([size / 2 * camera[:, :1].exp(), size * (camera[:, 1:] + 0.5)], dim=1),
            joints3d=self.skeleton(pose, betas),
            joints2d=where[..., :2] * size,
            depth=(where[..., 2] * 2 - 1) * DEPTH_RANGE,
            heat=heat,
        )


class PositionNet(nn.Module):
    """Features (B, C, H, W) to joints (B, 16, 3) and the logarithm of each joint's share of the cells (B, 16, H + 2, W + 2).

    x and y of a joint are in [0, 1] across the picture, z in [0, 1] across the depth range.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.heat = nn.Conv2d(channels, len(JOINTS) * DEPTH_CELLS, 3, padding=2)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        heat = self.heat(features)  # one cell larger on every side
        batch, _, height, width = heat.shape
        heat = heat.view(batch, len(JOINTS), -1).log_softmax(-1).view(batch, len(JOINTS), DEPTH_CELLS, height, width)
        share = heat.exp()
        x = share.sum((2, 3)) @ _cell_centres(width - 2, 1, heat)
        y = share.sum((2, 4)) @ _cell_centres(height - 2, 1, heat)
        z = share.sum((3, 4)) @ _cell_centres(DEPTH_CELLS, 0, heat)
        return torch.stack([x, y, z], dim=-1), heat.logsumexp(2)


class RotationNet(nn.Module):
    """Features (B, C, H, W) and joints (B, 16, 3) to what is added to the mean rotations, (B, 24, 6)."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels, POOLED, 1), nn.GroupNorm(GROUPS, POOLED), nn.SiLU())
        known = len(JOINTS) * (POOLED + 3) + len(EDGES) * 3
        self.hidden = nn.Sequential(nn.Linear(known, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU())
        self.out = _zeroed(nn.Linear(HIDDEN, 24 * 6))

    def forward(self, features: Tensor, where: Tensor) -> Tensor:
        picked = pool_at(self.reduce(features), where[..., :2])
        known = torch.cat([picked.flatten(1), _geometry(where)], dim=1)
        return self.out(self.hidden(known)).view(-1, 24, 6)


def pool_at(features: Tensor, places: Tensor) -> Tensor:
    """Positional pose-guided pooling: features (B, C, H, W) at places (B, J, 2) in [0, 1] across the picture -> (B, J, C)."""
    # align_corners=False puts -1 and 1 on the picture's edges, the scale that our coordinates have.
    picked = F.grid_sample(features, places[:, :, None] * 2 - 1, padding_mode="border", align_corners=False)
    return picked[..., 0].transpose(1, 2)


def _geometry(where: Tensor) -> Tensor:
    """Joints from the hips and bone directions: rotations hardly depend on place or size, so a few samples teach more."""
    hips = where[:, (RIGHT_HIP, LEFT_HIP)].mean(1, keepdim=True)
    parents, children = zip(*EDGES, strict=True)
    bones = where[:, children] - where[:, parents]
    return torch.cat([(where - hips).flatten(1) * 4, F.normalize(bones, dim=-1, eps=1e-4).flatten(1)], dim=1)


def _zeroed(layer: nn.Linear) -> nn.Linear:
    """A layer that starts by saying nothing, so training starts from the mean."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _cell_centres(cells: int, beyond: int, like: Tensor) -> Tensor:
    return (torch.arange(-beyond, cells + beyond, device=like.device, dtype=like.dtype) + 0.5) / cells
