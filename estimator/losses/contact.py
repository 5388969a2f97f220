"""Parts that touch in the truth are pulled together: distances between a few points of each part's skin."""

import numpy as np
import torch
from torch import Tensor, nn

from estimator.skeleton import Skeleton
from manifests.skeleton import BODY_PARTS
from stages.body.contacts import TOUCH
from stages.body.geodesic import farthest_first
from stages.body.model import BodyModel

EACH = 16  # points of a part


class Surface(nn.Module):
    """EACH points on the skin of every body part, each carried by one bone; of the body itself, with none of a drawing's proportions."""

    rest: Tensor
    shape: Tensor
    joint: Tensor

    def __init__(self, body: BodyModel):
        super().__init__()
        vertices = _points(body)
        # As in Skeleton: nothing of the body goes into weights.
        self.register_buffer("rest", torch.from_numpy(body.template[vertices]).float(), persistent=False)
        self.register_buffer("shape", torch.from_numpy(body.shapedirs[vertices]).float(), persistent=False)
        self.register_buffer("joint", torch.from_numpy(body.vertex_joint[vertices]), persistent=False)

    def forward(self, skeleton: Skeleton, pose: Tensor, betas: Tensor) -> Tensor:
        """Points (B, 15, EACH, 3) m of BODY_PARTS for a pose (B, 24, 3, 3) and betas (B, 10), the pelvis where the rest pose has it."""
        posed = skeleton.posed(pose, betas)
        joints = skeleton.rest_points(betas)[:, self.joint]
        offsets = self.rest + torch.einsum("pkb,nb->npk", self.shape, betas) - joints
        points = posed.places[:, self.joint] + (posed.turns[:, self.joint] @ offsets[..., None])[..., 0]
        return points.unflatten(1, (len(BODY_PARTS), EACH))


def gap_loss(seen: Tensor, truth: Tensor, contacts: Tensor) -> Tensor:
    """Metres by which touching parts are farther apart than in the truth; points (B, 15, EACH, 3), contacts (B, 15, 15)."""
    touching = torch.triu(contacts, 1) > 0
    far = (part_gaps(seen) - part_gaps(truth).clamp(min=TOUCH)).relu() * touching
    return (far.sum((1, 2)) / touching.sum((1, 2)).clamp(min=1)).mean()


def part_gaps(points: Tensor) -> Tensor:
    """Least distance (B, 15, 15) m between points of each two parts."""
    apart = torch.cdist(points.flatten(1, 2), points.flatten(1, 2), compute_mode="donot_use_mm_for_euclid_dist")
    return apart.unflatten(2, points.shape[1:3]).unflatten(1, points.shape[1:3]).amin((2, 4))


def _points(body: BodyModel) -> np.ndarray:
    """Vertices, spread evenly over each part, part after part."""
    parts = [np.flatnonzero(body.vertex_part == p) for p in range(len(BODY_PARTS))]
    return np.concatenate([part[farthest_first(body.template[part], EACH)] for part in parts])
