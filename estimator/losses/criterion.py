"""The losses by name, with the weights of a recipe."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from estimator.batch import Batch
from estimator.footing import SKETCH2POSE
from estimator.losses import places, pose, published
from estimator.losses.contact import Surface, gap_loss
from estimator.losses.order import limb_order
from estimator.pose_codes import PoseCodes
from estimator.prediction import Prediction
from estimator.skeleton import Skeleton
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.body.model import BodyModel

Loss = Callable[[Prediction, Batch], Tensor]

LOSSES: dict[str, Loss] = {
    **{f.__name__: f for f in (
        places.heat, places.joints2d, places.depth, places.joints3d, places.joints3d_drawn, places.camera, places.reprojection,
        places.confidence, pose.rotation, pose.six, pose.betas, pose.bone_scales, pose.direction, pose.foreshortening,
        pose.depth_step, limb_order, published.parallel, published.foreshortening_ratio, published.pose_l1, published.shape_size,
    )},
}  # fmt: skip
CONTACT, CODES = "contact", "codes"  # those that need a body, and a book of codes
NAMES = (*LOSSES, CONTACT, CODES)

# What finds joints, camera and proportions; the paper trains its detector on its own, and knows no proportions.
_FINDING = {"heat": 1.0, "joints2d": 10.0, "depth": 2.0, "camera": 1.0, "bone_scales": 0.5, "confidence": 0.1}
PRESETS = {
    "paper": _FINDING | {"parallel": 3.0, "foreshortening_ratio": 3.0, "pose_l1": 2.0, "shape_size": 1.0},
    "skep": _FINDING | {
        "joints3d": 5.0, "joints3d_drawn": 2.0, "reprojection": 2.0, "rotation": 1.0, "six": 1.0, "betas": 0.05, "direction": 1.0,
        "foreshortening": 0.5, "depth_step": 1.0, "limb_order": 1.0, "contact": 1.0,
    },
}  # fmt: skip
_IN_CODES = {CODES: 0.5}  # beside those of "skep", of the model that says poses in codes


def weights_of(config: Estimator) -> dict[str, float]:
    """The weights of a recipe's preset with its changes; 0 leaves a loss out. Raises UserError for a loss that there is not."""
    preset, changes = PRESETS[config.losses], config.weights
    if config.model == SKETCH2POSE and config.losses == "skep":
        preset = preset | _IN_CODES
    if unknown := [name for name in changes if name not in NAMES]:
        raise UserError(f"estimator.weights: there is no loss {unknown[0]}; expected one of {', '.join(NAMES)}")
    return {name: weight for name, weight in (preset | changes).items() if weight}


class Criterion(nn.Module):
    """The losses that have a weight. codes: those that a model says its poses in, if it does."""

    def __init__(self, weights: dict[str, float], skeleton: Skeleton, body: BodyModel, codes: PoseCodes | None = None):
        super().__init__()
        self.weights, self.skeleton, self.codes = weights, skeleton, codes
        self.surface = Surface(body) if CONTACT in weights else None

    def forward(self, seen: Prediction, truth: Batch) -> dict[str, Tensor]:
        """Every term by name, not yet weighted."""
        own = {CONTACT: self._contact, CODES: self._codes}
        return {name: (own.get(name) or LOSSES[name])(seen, truth) for name in self.weights}

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum."""
        return torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()

    def _codes(self, seen: Prediction, truth: Batch) -> Tensor:
        """Cross-entropy of the codes that the true pose is written in. 0 for models that do not write.

        The pose alone would hardly tell the tokens: of a mean over all codes each has a small share of the blame.
        """
        if self.codes is None or seen.codes is None:
            return truth.joints2d.new_zeros(())
        with torch.no_grad():
            right = self.codes.nearest(self.codes.encode(truth.pose[:, 1:]))
        return F.cross_entropy(seen.codes.flatten(0, 1), right.flatten())

    def _contact(self, seen: Prediction, truth: Batch) -> Tensor:
        assert self.surface is not None
        # Turning the whole body moves no part to another.
        points = self.surface(self.skeleton, seen.pose, seen.betas)
        with torch.no_grad():
            right = self.surface(self.skeleton, truth.pose, truth.betas)
        return gap_loss(points, right, truth.contacts)
