"""Losses on rotations, shape and proportions, and on what bones show: direction, foreshortening, depth."""

from torch import Tensor
from torch.nn import functional as F

from estimator.batch import Batch
from estimator.metrics import STEEP
from estimator.prediction import Prediction
from estimator.rotations import to_6d
from manifests.skeleton import CHILDREN, PARENTS


def rotation(seen: Prediction, truth: Batch) -> Tensor:
    """L1 between rotation matrices: unlike axis-angle numbers they do not jump at half a turn."""
    return F.l1_loss(seen.pose, truth.pose)


def six(seen: Prediction, truth: Batch) -> Tensor:
    """MSE of the rough columns. Of any length they give the same rotation: left alone they grow, and flip on an unusual sketch."""
    return F.mse_loss(seen.six, to_6d(truth.pose))


def betas(seen: Prediction, truth: Batch) -> Tensor:
    """MSE of the shape."""
    return F.mse_loss(seen.betas, truth.betas)


def bone_scales(seen: Prediction, truth: Batch) -> Tensor:
    """L1 of the logarithms: half as long errs as much as twice as long."""
    return F.l1_loss(seen.bone_scales.log(), truth.bone_scales.log())


def direction(seen: Prediction, truth: Batch) -> Tensor:
    """1 - cosine between the body's bones: signed, so a bone that points backwards costs most, not nothing."""
    return (1 - F.cosine_similarity(bones(seen.joints3d), bones(truth.joints3d), dim=-1)).mean()


def foreshortening(seen: Prediction, truth: Batch) -> Tensor:
    """L1 of each drawn bone's length across the view over its length: bounded, as Sketch2Pose has it."""
    drawn = bones(seen.joints3d_drawn)
    return F.l1_loss(_length(drawn[..., :2]) / _length(drawn), truth.foreshortening)


def depth_step(seen: Prediction, truth: Batch) -> Tensor:
    """L1 in metres of the depth along each drawn edge, and once more by how far a steep one leans the wrong way."""
    steps = bones(seen.joints3d_drawn)[..., 2]
    wrong = (-truth.depth_step.sign() * steps).relu() * (truth.depth_step.abs() > STEEP)
    return F.l1_loss(steps, truth.depth_step) + wrong.mean()


def bones(joints: Tensor) -> Tensor:
    """Joints (B, 16, n) to edges (B, 15, n), parent to child."""
    return joints[:, CHILDREN] - joints[:, PARENTS]


def _length(vectors: Tensor) -> Tensor:
    # The root of a sum of squares has no slope at nothing.
    return (vectors.square().sum(-1) + 1e-8).sqrt()
