"""The lifter: joints that a frozen detector found, and what it saw at each, lifted to a figure by a transformer.

Joints in the picture alone tell most of a figure (Martinez et al., arXiv 1705.03098); features at them, as in Pose2Pose, tell what
hides what.
"""

import torch
from torch import Tensor, nn

from estimator.guidance import Guidance, Guide
from estimator.head import FigureHead, zeroed
from estimator.mixed import Mixed
from estimator.pose2pose import DEPTH_RANGE
from estimator.prediction import Prediction
from estimator.skeleton import Skeleton
from manifests.skeleton import JOINTS, LEFT_HIP, RIGHT_HIP

_LAYERS, _HEADS = 3, 8  # of the transformer
_OF_JOINT, _KNOWN = 32, 256  # numbers that each joint, and the figure, is concluded in
_LEAST = 0.03  # of the picture: a figure is at least so large


class Lifter(Mixed):
    """Pictures (B, 3, S, S) in [0, 1] to a Prediction. The guide's weights are not among its own.

    `mean_pose` (24, 3, 3) is where rotations start from. features: it is told what was seen at the joints; else, to see what that is
    worth, where they are alone.
    """

    def __init__(self, width: int, skeleton: Skeleton, mean_pose: Tensor, guide: Guide, features: bool = True):
        super().__init__()
        wide = 8 * width
        self.guide, self.features = guide, features
        self.joint = nn.Linear(6 + (guide.eyes.size.hidden if features else 0), wide)
        self.whole = nn.Linear(3, wide)
        self.names = nn.Parameter(0.02 * torch.randn(len(JOINTS) + 1, wide))
        layer = nn.TransformerEncoderLayer(wide, _HEADS, 2 * wide, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.fuse = nn.TransformerEncoder(layer, _LAYERS, nn.LayerNorm(wide), enable_nested_tensor=False)
        self.reduce = nn.Linear(wide, _OF_JOINT)
        self.known = nn.Sequential(nn.Linear(len(JOINTS) * _OF_JOINT + wide, _KNOWN), nn.SiLU())
        self.depth = zeroed(nn.Linear(wide, 1))
        self.head = FigureHead(_KNOWN, _KNOWN, skeleton, mean_pose)

    def forward(self, images: Tensor, placed: Tensor | None = None) -> Prediction:
        """placed (B, 16, 2) px: where joints are for sure; NaN where that is not known."""
        with self.mixed(images):
            told = self.guide(images)
        size = images.shape[-1]
        return self.lifted(told if placed is None else told.corrected(placed / size), size)

    def lifted(self, told: Guidance, size: int) -> Prediction:
        """The figure whose joints these are, in a picture of `size` px."""
        tokens = self._tokens(told)
        with self.mixed(tokens):
            fused = self.fuse(tokens)
            joints, whole = fused[:, :-1], fused[:, -1]
            known = self.known(torch.cat([self.reduce(joints).flatten(1), whole], 1)).float()
            depth = DEPTH_RANGE * self.depth(joints).float().tanh()
        return self.head(known, known, size, torch.cat([told.joints * size, depth], -1))

    def _tokens(self, told: Guidance) -> Tensor:
        """(B, 17, C): each joint as the figure's size and place leave it, then the figure's size and place."""
        hips = told.joints[:, (RIGHT_HIP, LEFT_HIP)].mean(1)
        extent = (told.joints.amax(1) - told.joints.amin(1)).amax(1, keepdim=True).clamp(min=_LEAST)
        lies = (told.joints - hips[:, None]) / extent[:, None]
        seen = [lies, told.sure[..., None], told.visibility, *([told.features] if self.features else [])]
        whole = self.whole(torch.cat([hips - 0.5, extent], 1))
        return torch.cat([self.joint(torch.cat(seen, -1)), whole[:, None]], 1) + self.names
