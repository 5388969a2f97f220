"""The four losses of Sketch2PoseNet (arXiv 2510.26196, equations 5 to 7), flaws and all, to compare with."""

from torch import Tensor
from torch.nn import functional as F

from estimator.batch import Batch
from estimator.losses.pose import bones
from estimator.prediction import Prediction
from estimator.rotations import axis_angle

# Metres across the view: the ratio has no bound, gradients need one. At 1 cm the gradient of one bone in a thousand is that of all others.
_SHORTEST = 0.1


def parallel(seen: Prediction, truth: Batch) -> Tensor:
    """Sum over bones of the squared sine between them and the drawn ones: blind to a bone drawn backwards."""
    across, drawn = F.normalize(bones(seen.joints3d)[..., :2], dim=-1), F.normalize(bones(truth.joints2d), dim=-1)
    return (across[..., 0] * drawn[..., 1] - across[..., 1] * drawn[..., 0]).square().sum(1).mean()


def foreshortening_ratio(seen: Prediction, truth: Batch) -> Tensor:
    """Sum over bones of the squared error of 3D over 2D length."""
    return (_ratio(seen.joints3d) - _ratio(truth.joints3d)).square().sum(1).mean()


def pose_l1(seen: Prediction, truth: Batch) -> Tensor:
    """L1 of the axis-angle numbers, summed as the two above are: they jump at half a turn."""
    return (axis_angle(seen.pose) - axis_angle(truth.pose)).abs().sum((1, 2)).mean()


def shape_size(seen: Prediction, truth: Batch) -> Tensor:
    """Mean square of the shape, which knows no truth."""
    return seen.betas.square().mean()


def _ratio(joints: Tensor) -> Tensor:
    edges = bones(joints)
    return edges.norm(dim=-1) / edges[..., :2].norm(dim=-1).clamp(min=_SHORTEST)
