"""The sixteen joints of bodies with drawn proportions, differentiable: skinning.bone_transforms and its rule of lengths in torch."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manifests.skeleton import JOINTS, LEFT_HIP, RIGHT_HIP, SMPL_JOINTS, SMPL_PARENTS
from stages.body.landmarks import CARRIERS
from stages.body.model import BodyModel
from stages.body.skinning import MAIN_CHILD, WHOLE
from stages.projections.proportions import GROUPS as _PAIRS

# Bones that change together, by name; hands are not among the sixteen joints.
GROUPS = {name: tuple(sorted({j for pair in pairs for j in pair})) for name, pairs in _PAIRS.items()}
_GROUP = {joint: index for index, members in enumerate(GROUPS.values()) for joint in members}
GROUP_OF_JOINT = [_GROUP[joint] for joint in range(24)]

# Points are SMPL's 24 joints, then the landmarks that a drawing has in place of its head joint and toes.
_MARKS = {"head": 24, "left_toe": 25, "right_toe": 26}
_DRAWN = [_MARKS[name] if name in _MARKS else SMPL_JOINTS.index(name) for name in JOINTS]
_ABOVE = torch.tensor([*SMPL_PARENTS[1:], *CARRIERS])  # the joint that carries points 1 to 26
# SMPL's joints are counted level by level, from the pelvis outwards.
_LEVELS = ((1, 4), (4, 7), (7, 10), (10, 15), (15, 18), (18, 20), (20, 22), (22, 24))
_WHOLE = torch.from_numpy(WHOLE | (MAIN_CHILD < 0))
_END = torch.from_numpy(np.where(MAIN_CHILD < 0, 0, MAIN_CHILD))


class Bones(nn.Module):
    """Bodies of shapes betas (N, 10), to be posed and stretched together."""

    def __init__(self, body: BodyModel, betas: Tensor):
        super().__init__()
        points, moves = torch.from_numpy(body.points).float(), torch.from_numpy(body.point_dirs[..., :10]).float()
        rest = points + torch.einsum("jcb,nb->njc", moves, betas)
        along = F.normalize(rest[:, _END] - rest[:, :24], dim=-1)[:, _ABOVE]
        self.offset = rest[:, 1:] - rest[:, _ABOVE]
        # What of an offset grows with its bone: all of it, or its part along the bone.
        self.grows = torch.where(_WHOLE[_ABOVE][:, None], self.offset, (self.offset * along).sum(-1, keepdim=True) * along)

    def forward(self, pose: Tensor, scales: Tensor) -> Tensor:
        """Joints (N, 16, 3) m from the hips' midpoint, in the frame of the root rotation; pose (N, 24, 3, 3), scales (N, 24)."""
        offset = self.offset + (scales[:, _ABOVE, None] - 1) * self.grows
        turns, places = [pose[:, :1]], [torch.zeros_like(offset[:, :1])]
        first = 0
        for low, high in _LEVELS:
            above = _ABOVE[low - 1 : high - 1] - first
            carrier = turns[-1][:, above]
            places.append(places[-1][:, above] + (carrier @ offset[:, low - 1 : high - 1, :, None])[..., 0])
            turns.append(carrier @ pose[:, low:high])
            first = low
        world, joints = torch.cat(turns, 1), torch.cat(places, 1)
        marks = joints[:, CARRIERS] + (world[:, CARRIERS] @ offset[:, 23:, :, None])[..., 0]
        sixteen = torch.cat([joints, marks], 1)[:, _DRAWN]
        return sixteen - sixteen[:, (RIGHT_HIP, LEFT_HIP)].mean(1, keepdim=True)
