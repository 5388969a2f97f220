"""The lifter: joints that a frozen detector found, and what it saw at each, lifted to a figure by a transformer.

Joints in the picture alone tell most of a figure (Martinez et al., arXiv 1705.03098); features at them, as in Pose2Pose, tell what
hides what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from estimator.guidance import Guidance
from estimator.head import FigureHead, zeroed
from estimator.mixed import Mixed
from estimator.pose2pose import DEPTH_RANGE
from estimator.prediction import Prediction
from estimator.skeleton import Skeleton
from manifests.skeleton import CHILDREN, JOINTS, LEFT_HIP, PARENTS, RIGHT_HIP

if TYPE_CHECKING:  # imports transformers, which takes seconds
    from estimator.guide import Guide

_LAYERS, _HEADS = 3, 8  # of the transformer
_OF_JOINT, _KNOWN = 32, 256  # numbers that each joint, and the figure, is concluded in
_LEAST = 0.03  # of the picture: a figure is at least so large
_LIES, _SPREAD = 4.0, 0.5  # scales that make places and names count as much as features from the start

_PARENT = [dict(zip(CHILDREN, PARENTS, strict=True)).get(joint, joint) for joint in range(len(JOINTS))]


class Lifter(Mixed):
    """Pictures (B, 3, S, S) in [0, 1] to a Prediction. The guide's weights are not among its own.

    `mean_pose` (24, 3, 3) is where rotations start from. features: it is told what was seen at the joints; else, to see what that is
    worth, where they are alone.
    """

    def __init__(self, width: int, skeleton: Skeleton, mean_pose: Tensor, guide: Guide, features: bool = True):
        super().__init__()
        wide = 8 * width
        self.guide = guide
        self.joint = nn.Linear(12, wide)
        self.seen = nn.Linear(guide.eyes.size.hidden, wide) if features else None
        self.whole = nn.Linear(3, wide)
        self.names = nn.Parameter(_SPREAD * torch.randn(len(JOINTS) + 1, wide))
        layer = nn.TransformerEncoderLayer(wide, _HEADS, 2 * wide, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.fuse = nn.TransformerEncoder(layer, _LAYERS, nn.LayerNorm(wide), enable_nested_tensor=False)
        self.found = zeroed(nn.Linear(wide, 3))
        self.reduce = nn.Linear(wide, _OF_JOINT)
        self.known = nn.Sequential(nn.Linear(len(JOINTS) * (_OF_JOINT + 3) + wide, _KNOWN), nn.SiLU())
        self.head = FigureHead(_KNOWN, _KNOWN, skeleton, mean_pose)

    def forward(self, images: Tensor, told: Guidance | None = None) -> Prediction:
        """told: what was read in the pictures already."""
        return self.lifted(told or self.read(images), images.shape[-1])

    def read(self, images: Tensor) -> Guidance:
        """What the guide says of pictures."""
        with self.mixed(images):
            return self.guide(images)

    def lifted(self, told: Guidance, size: int) -> Prediction:
        """The figure of these joints, in a picture of `size` px; those that no user placed may be moved."""
        hips = told.joints[:, (RIGHT_HIP, LEFT_HIP)].mean(1, keepdim=True)
        extent = (told.joints.amax(1) - told.joints.amin(1)).amax(1).clamp(min=_LEAST)[:, None, None]
        tokens = self._tokens(told, hips, extent)
        with self.mixed(tokens):
            fused = self.fuse(tokens)
            joints, whole = fused[:, :-1], fused[:, -1]
            shift, depth = self.found(joints).float().split([2, 1], -1)
            lies, depth = (told.joints - hips) / extent + shift * (1 - told.placed[..., None]), DEPTH_RANGE * depth.tanh()
            concluded = torch.cat([self.reduce(joints), lies, depth], -1)
            known = self.known(torch.cat([concluded.flatten(1), whole], 1)).float()
        return self.head(known, known, size, torch.cat([(hips + extent * lies) * size, depth], -1))

    def _tokens(self, told: Guidance, hips: Tensor, extent: Tensor) -> Tensor:
        """(B, 17, C): each joint as the figure's size and place leave it, then the figure's size and place."""
        other = (told.others - told.joints) * told.others_sure[..., None]
        places = torch.cat([told.joints - hips, told.joints - told.joints[:, _PARENT], other], -1) / extent
        sure = torch.stack([told.sure, told.others_sure, told.placed], -1)
        tokens = self.joint(torch.cat([_LIES * places, sure, told.visibility], -1))
        if self.seen is not None:
            tokens = tokens + self.seen(told.features)
        whole = self.whole(_LIES * torch.cat([hips - 0.5, extent], -1))
        return torch.cat([tokens, whole], 1) + self.names

    def _apply(self, fn, recurse: bool = True):
        """To another device or layout goes the guide too, though no part of this."""
        for net in (self.guide.finder, self.guide.eyes):
            net._apply(fn)
        return super()._apply(fn, recurse)
