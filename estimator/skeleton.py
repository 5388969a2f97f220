"""The SMPL skeleton as a differentiable function: pose, shape and proportions to the sixteen joints. No vertices, no skinning."""

import hashlib
from typing import NamedTuple

import torch
from torch import Tensor, nn

from manifests.skeleton import JOINTS, LEFT_HIP, RIGHT_HIP, SMPL_JOINTS, SMPL_PARENTS
from stages.body.landmarks import CARRIERS
from stages.body.model import BodyModel
from stages.body.skinning import MAIN_CHILD, WHOLE

# The rest points of a body: its SMPL joints, then the landmarks that a drawing has in place of its head joint and toes.
_POINTS = (*("no joint of a drawing" if name == "head" else name for name in SMPL_JOINTS), "head", "left_toe", "right_toe")
_DRAWN = [_POINTS.index(name) for name in JOINTS]
# The bone that takes each point along; the root's own does not count.
_CARRIER = [0, *SMPL_PARENTS[1:], *(int(c) for c in CARRIERS)]
# SMPL's joints are counted level by level from the pelvis outwards, so that those of a level can be placed together.
_LEVELS = ((1, 4), (4, 7), (7, 10), (10, 15), (15, 18), (18, 20), (20, 22), (22, 24))


class Posed(NamedTuple):
    """turns (B, 24, 3, 3) of each bone in the root's frame; places (B, 27, 3) m of the 24 joints and 3 landmarks."""

    turns: Tensor
    places: Tensor


class Skeleton(nn.Module):
    """Bones of a body whose rest points (27, 3) m, 24 joints and 3 landmarks, are linear in betas."""

    rest: Tensor
    shape: Tensor
    whole: Tensor

    def __init__(self, body: BodyModel):
        super().__init__()
        # Taken from the body anew each time: nothing of a licensed body shall end up in our weights.
        self.register_buffer("rest", torch.from_numpy(body.points).float(), persistent=False)
        self.register_buffer("shape", torch.from_numpy(body.point_dirs).float(), persistent=False)
        # Tips have no direction to grow in but all.
        self.register_buffer("whole", torch.from_numpy(WHOLE | (MAIN_CHILD < 0))[_CARRIER][:, None], persistent=False)

    def forward(self, pose: Tensor, betas: Tensor, bone_scales: Tensor | None = None) -> Tensor:
        """Joints (B, 16, 3) m from the hips' midpoint, in the frame of the root rotation.

        pose (B, 24, 3, 3), betas (B, 10), bone_scales (B, 24) as in the labels, 1 where None.
        """
        joints = self.posed(pose, betas, bone_scales).places[:, _DRAWN]
        return joints - joints[:, (RIGHT_HIP, LEFT_HIP)].mean(1, keepdim=True)

    def posed(self, pose: Tensor, betas: Tensor, bone_scales: Tensor | None = None) -> Posed:
        """Every bone and point, the root joint where the rest pose has it."""
        rest = self.rest_points(betas)
        offsets = rest - rest[:, _CARRIER]
        if bone_scales is not None:
            offsets = self._stretched(rest, offsets, bone_scales[:, _CARRIER, None])
        turns, places, first = [pose[:, :1]], [rest[:, :1]], 0
        for low, high in _LEVELS:
            above = [carrier - first for carrier in _CARRIER[low:high]]
            carriers = turns[-1][:, above]
            places.append(places[-1][:, above] + (carriers @ offsets[:, low:high, :, None])[..., 0])
            turns.append(carriers @ pose[:, low:high])
            first = low
        world, joints = torch.cat(turns, 1), torch.cat(places, 1)
        landmarks = joints[:, CARRIERS] + (world[:, CARRIERS] @ offsets[:, 24:, :, None])[..., 0]
        return Posed(world, torch.cat([joints, landmarks], 1))

    def rest_points(self, betas: Tensor) -> Tensor:
        """Joints and landmarks (B, 27, 3) m of the rest pose."""
        return self.rest + torch.einsum("jcb,nb->njc", self.shape, betas)

    def _stretched(self, rest: Tensor, offsets: Tensor, scales: Tensor) -> Tensor:
        """Offsets (B, 27, 3) of points from their carriers, grown as stages.body.skinning grows bones; scales (B, 27, 1)."""
        along = (rest[:, MAIN_CHILD.clip(0)] - rest[:, :24])[:, _CARRIER]
        share = (along * offsets).sum(-1, keepdim=True) / (along**2).sum(-1, keepdim=True)
        return offsets + (scales - 1) * torch.where(self.whole, offsets, share * along)

    def digest(self) -> str:
        """sha256 of the bones, to tell one body from another."""
        return hashlib.sha256(self.rest.cpu().numpy().tobytes() + self.shape.cpu().numpy().tobytes()).hexdigest()
