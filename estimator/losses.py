"""What the network is asked to get right. Every term but `heat`, a surprise, is zero for the truth."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from estimator.prediction import Prediction
from estimator.rotations import to_6d
from estimator.sample import Sample
from manifests.skeleton import EDGES

WEIGHTS = {
    "heat": 1.0, "joints2d": 10.0, "depth": 2.0, "joints3d": 5.0, "rotation": 1.0, "six": 1.0, "bones": 1.0, "betas": 0.05, "camera": 1.0,
}  # fmt: skip


class Batch(NamedTuple):
    """Samples stacked: images (B, 3, S, S) in [0, 1]; the rest as in Sample with B in front; visibility as integers."""

    images: Tensor
    joints2d: Tensor
    visibility: Tensor
    joints3d: Tensor
    pose: Tensor
    betas: Tensor


def collate(samples: list[Sample], device: torch.device) -> Batch:
    """One batch of the samples on the device."""
    columns = {name: torch.stack([torch.from_numpy(getattr(s, name)) for s in samples]).to(device) for name in Batch._fields[1:]}
    images = torch.stack([torch.from_numpy(s.image) for s in samples]).to(device)
    return Batch(images=images.permute(0, 3, 1, 2).float().div_(255).contiguous(), **columns)


def losses(seen: Prediction, truth: Batch) -> dict[str, Tensor]:
    """Every term by name, not yet weighted."""
    size, inside = truth.images.shape[-1], truth.visibility > 0
    return {
        "heat": heat_loss(seen.heat, truth.joints2d / size, inside),
        "joints2d": joints2d_loss(seen.joints2d / size, truth.joints2d / size, inside),
        "depth": F.l1_loss(seen.depth, truth.joints3d[..., 2]),
        "joints3d": F.l1_loss(seen.joints3d, truth.joints3d),
        "rotation": rotation_loss(seen.pose, truth.pose),
        # Rough columns of any length give the same rotation: left alone they grow, and flip on an unusual sketch.
        "six": F.mse_loss(seen.six, to_6d(truth.pose)),
        "bones": bone_loss(seen.joints3d, truth.joints3d),
        "betas": F.mse_loss(seen.betas, truth.betas),
        "camera": joints2d_loss(project(truth.joints3d, seen.camera) / size, truth.joints2d / size, inside),
    }


def total(terms: dict[str, Tensor]) -> Tensor:
    """The weighted sum."""
    return torch.stack([WEIGHTS[name] * term for name, term in terms.items()]).sum()


def joints2d_loss(seen: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """L1 of joints (B, 16, 2) over those inside the picture (B, 16); hidden ones count: their place is known."""
    return ((seen - truth).abs().mean(-1) * inside).sum() / inside.sum().clamp(min=1)


def heat_loss(heat: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """Surprise in nats at finding joints (B, 16, 2) where they are, in [0, 1] of the picture; heat as in Prediction.

    A mean over cells says only that it is off; this says which cells to favour, and teaches in a fraction of the steps.
    """
    cells = torch.tensor([heat.shape[3], heat.shape[2]], device=heat.device)
    places = (truth * (cells - 2) + 1) / cells  # the map reaches one cell beyond the picture
    found = F.grid_sample(heat.flatten(0, 1)[:, None], places.flatten(0, 1)[:, None, None] * 2 - 1, align_corners=False)
    return -(found.view_as(inside) * inside).sum() / inside.sum().clamp(min=1)


def rotation_loss(seen: Tensor, truth: Tensor) -> Tensor:
    """L1 between rotation matrices (..., 3, 3): unlike axis-angle numbers they do not jump at half a turn."""
    return F.l1_loss(seen, truth)


def bone_loss(seen: Tensor, truth: Tensor) -> Tensor:
    """1 - cosine between bones of (B, 16, 3): signed, so a bone that points backwards costs most, not nothing."""
    parents, children = zip(*EDGES, strict=True)
    seen_bones, true_bones = seen[:, children] - seen[:, parents], truth[:, children] - truth[:, parents]
    return (1 - F.cosine_similarity(seen_bones, true_bones, dim=-1)).mean()


def project(joints3d: Tensor, camera: Tensor) -> Tensor:
    """Weak perspective: joints (B, 16, 3) m to (B, 16, 2) px by camera (B, 3).

    The camera is learned on the true joints: a sketch's proportions are not the body's, and must not bend the pose.
    """
    return camera[:, None, :1] * joints3d[..., :2] + camera[:, None, 1:]
