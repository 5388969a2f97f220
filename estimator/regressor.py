"""What Sketch2PoseNet concludes: joints lifted from 2D to 3D, joints and picture fused by a transformer, a pose by codes.

After Sketch2PoseNet's regressor (JOTR's fusion, DPMesh's lifting): a column of features stands behind every place of the picture,
each joint looks for its depth in the column it lies on and takes what it finds there along.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from estimator.guidance import Guidance
from estimator.head import zeroed
from estimator.pooling import pool_at
from estimator.pose_codes import CodesSize
from manifests.skeleton import JOINTS

LAYERS_OF_DEPTH, LIFTED = 16, 16  # cells of a column, channels of a cell
_GLOBAL = 2  # tokens beside those of codes and joints: of the root's turn, and of shape and camera
_HEADS, _DEEP, _PICTURE = 4, 4, 8  # of attention; layers of the transformer; cells along a side of the picture that it sees
_SHIFT = 0.1  # of the picture: as far as a joint may be moved from where it was found


class Regressed(NamedTuple):
    """logits (B, T, K) of the pose's codes; six (B, 6) of the root; whole (B, 10 + 3 + 24) of shape, camera, bone scales;
    moved (B, 16, 2) in [0, 1] of the picture; depth_heat (B, 16, D) logarithms; sure (B, 16) log odds."""

    logits: Tensor
    six: Tensor
    whole: Tensor
    moved: Tensor
    depth_heat: Tensor
    sure: Tensor


class Regressor(nn.Module):
    """Features (B, C, n, n) and guidance to what Regressed says."""

    def __init__(self, width: int, size: CodesSize):
        super().__init__()
        self.lift = nn.Conv2d(width, LIFTED * LAYERS_OF_DEPTH, 1)
        self.layer = nn.Linear(LIFTED, 1)
        self.joint = nn.Sequential(nn.Linear(width + LIFTED + 7, width), nn.GELU(), nn.Linear(width, width))
        self.picture = nn.Conv2d(width, width, 1)
        self.asked = nn.Parameter(0.02 * torch.randn(size.tokens + _GLOBAL, width))
        self.names = nn.Parameter(0.02 * torch.randn(len(JOINTS), width))
        self.places = nn.Parameter(0.02 * torch.randn(_PICTURE**2, width))
        block = nn.TransformerEncoderLayer(width, _HEADS, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.fuse = nn.TransformerEncoder(block, _DEEP, nn.LayerNorm(width), enable_nested_tensor=False)
        self.codes = nn.Linear(width, size.codes)
        self.root, self.whole, self.found = (zeroed(nn.Linear(width, count)) for count in (6, 10 + 3 + 24, 3))

    def forward(self, features: Tensor, guidance: Guidance) -> Regressed:
        joints, depth_heat = self._joints(features, guidance)
        seen = F.adaptive_avg_pool2d(self.picture(features), _PICTURE).flatten(2).mT + self.places
        asked = self.asked.expand(len(features), -1, -1)
        fused = self.fuse(torch.cat([asked, joints, seen], 1))
        codes = asked.shape[1] - _GLOBAL
        shift, sure = self.found(fused[:, codes + _GLOBAL :][:, : len(JOINTS)]).split([2, 1], -1)
        return Regressed(
            logits=self.codes(fused[:, :codes]),
            six=self.root(fused[:, codes]),
            whole=self.whole(fused[:, codes + 1]),
            moved=guidance.joints + _SHIFT * shift.tanh(),
            depth_heat=depth_heat,
            sure=sure[..., 0],
        )

    def _joints(self, features: Tensor, guidance: Guidance) -> tuple[Tensor, Tensor]:
        """Tokens (B, 16, C) of the joints, and the logarithm of the share of each layer of depth (B, 16, D)."""
        columns = pool_at(self.lift(features), guidance.joints).unflatten(-1, (LAYERS_OF_DEPTH, LIFTED))
        heat = self.layer(columns)[..., 0].log_softmax(-1)
        lifted = (heat.exp()[..., None] * columns).sum(-2)
        depth = heat.exp() @ layer_centres(heat)
        known = torch.cat([guidance.joints * 2 - 1, depth[..., None], guidance.sure[..., None], guidance.visibility], -1)
        return self.joint(torch.cat([pool_at(features, guidance.joints), lifted, known], -1)) + self.names, heat


def layer_centres(like: Tensor) -> Tensor:
    """Where the layers of depth lie, (D,) from -1, near, to 1, far."""
    return ((torch.arange(LAYERS_OF_DEPTH, device=like.device) + 0.5) / LAYERS_OF_DEPTH * 2 - 1).to(like.dtype)
