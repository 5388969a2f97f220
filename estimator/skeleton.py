"""The SMPL skeleton as a differentiable function: pose and shape to the sixteen joints. No vertices, no skinning."""

import hashlib

import torch
from torch import Tensor, nn

from manifests.skeleton import JOINTS, LEFT_HIP, RIGHT_HIP, SMPL_JOINTS, SMPL_PARENTS
from stages.body.landmarks import CARRIERS
from stages.body.model import BodyModel

# The rest points of a body: its SMPL joints, then the landmarks that a drawing has in place of its head joint and toes.
_POINTS = (*("no joint of a drawing" if name == "head" else name for name in SMPL_JOINTS), "head", "left_toe", "right_toe")
_DRAWN = [_POINTS.index(name) for name in JOINTS]


class Skeleton(nn.Module):
    """Bones of a body whose rest points (27, 3) m, 24 joints and 3 landmarks, are linear in betas."""

    rest: Tensor
    shape: Tensor

    def __init__(self, body: BodyModel):
        super().__init__()
        # Taken from the body anew each time: nothing of a licensed body shall end up in our weights.
        self.register_buffer("rest", torch.from_numpy(body.points).float(), persistent=False)
        self.register_buffer("shape", torch.from_numpy(body.point_dirs).float(), persistent=False)

    def forward(self, pose: Tensor, betas: Tensor) -> Tensor:
        """Joints (B, 16, 3) m from the hips' midpoint, in the frame of the root rotation; pose (B, 24, 3, 3), betas (B, 10)."""
        rest = self.rest + torch.einsum("jcb,nb->njc", self.shape, betas)
        turns, places = self._chain(pose, rest)
        offsets = rest[:, 24:] - rest[:, CARRIERS]
        landmarks = places[:, CARRIERS] + (turns[:, CARRIERS] @ offsets[..., None])[..., 0]
        joints = torch.cat([places, landmarks], dim=1)[:, _DRAWN]
        return joints - joints[:, (RIGHT_HIP, LEFT_HIP)].mean(1, keepdim=True)

    def digest(self) -> str:
        """sha256 of the bones, to tell one body from another."""
        return hashlib.sha256(self.rest.cpu().numpy().tobytes() + self.shape.cpu().numpy().tobytes()).hexdigest()

    @staticmethod
    def _chain(pose: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        turns, places = [pose[:, 0]], [rest[:, 0]]
        for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
            bone = (rest[:, joint] - rest[:, parent])[..., None]
            places.append(places[parent] + (turns[parent] @ bone)[..., 0])
            turns.append(turns[parent] @ pose[:, joint])
        return torch.stack(turns, 1), torch.stack(places, 1)
