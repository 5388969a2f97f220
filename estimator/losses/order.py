"""Which of two limbs that cross in the picture passes in front."""

from typing import Any

import torch
from torch import Tensor

from estimator.batch import Batch
from estimator.prediction import Prediction
from manifests.skeleton import LIMB_PAIRS, LIMBS

ENOUGH = 0.05  # metres in front are as good as any


def limb_order(seen: Prediction, truth: Batch) -> Tensor:
    """Metres by which the limb in front is not far enough in front, at the crossings of the drawing."""
    order = truth.limb_order.float()
    due = (order * gaps(truth.joints3d_drawn, truth.joints2d)).clamp(0, ENOUGH)
    short = (due - order * gaps(seen.joints3d_drawn, truth.joints2d)).relu() * (order != 0)
    return (short.sum(1) / (order != 0).sum(1).clamp(min=1)).mean()


def gaps(joints3d: Tensor, joints2d: Tensor) -> Tensor:
    """Depth (B, 30) m of each first limb behind the second, where their lines cross in the drawing joints2d (B, 16, 2)."""
    flat, deep = _ends(joints2d), _ends(joints3d[..., 2:])[..., 0]
    a, b = ([list(LIMBS).index(pair[i]) for pair in LIMB_PAIRS] for i in (0, 1))
    along_a, along_b, between = flat[:, a, 1] - flat[:, a, 0], flat[:, b, 1] - flat[:, b, 0], flat[:, b, 0] - flat[:, a, 0]
    area = _cross(along_a, along_b)
    area = torch.where(area == 0, torch.ones_like(area), area)
    s, t = (_cross(between, other) / area for other in (along_b, along_a))
    return deep[:, a, 0].lerp(deep[:, a, 1], s.clamp(0, 1)) - deep[:, b, 0].lerp(deep[:, b, 1], t.clamp(0, 1))


def _ends(joints: Tensor) -> Tensor:
    """Both ends (B, 9, 2, n) of every limb."""
    return torch.stack([torch.stack([_end(joints, end) for end in limb], 1) for limb in LIMBS.values()], 1)


def _end(joints: Tensor, end: Any) -> Tensor:
    """A joint, or the middle of two."""
    return joints[:, end] if isinstance(end, int) else joints[:, end].mean(1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
