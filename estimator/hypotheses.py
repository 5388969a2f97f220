"""Several readings of one drawing: limbs leaning towards the viewer or away, scored and sorted.

A drawing of lines says little of which; what speaks for a reading is that the network read the pose so, how common such a limb is
among poses of the learned prior, and that joints keep within their limits. Limbs are weighed one by one.
"""

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp
from torch import Tensor

from estimator.flips import CHOICES, LIMBS, Bones, Limb, reflected
from estimator.prediction import Prediction
from estimator.skeleton import Skeleton
from manifests.randomness import generator
from manifests.skeleton import SMPL_PARENTS
from stages.body.rotations import angle_between
from stages.poses.fence import fenced
from stages.poses.prior import load_prior

BANK = 4096  # poses of the prior that a limb is compared with
NEAR = 0.5  # about radians: two rotations this far apart are alike
BEYOND = np.radians(10)  # beyond a joint's limits by so much costs half a nat
LEAN = 0.02  # metres of depth along a bone: flatter ones look the same reflected
# Nats that a bone costs which leans the other way than the network says, and the share that the prior's nats count: of those tried
# on 1,032 limbs of 500 held-out drawings, the two that, limits aside, make the truth likeliest.
TRUST, COMMON = 1.2, 0.35


class Hypothesis(NamedTuple):
    """pose (24, 3, 3) and joints3d_drawn (16, 3) m as in Prediction; flipped: which bones of which limbs are reflected, as
    (limb, inner, outer); score: log odds against the other readings, larger is better; probability: over all readings."""

    pose: Tensor
    joints3d_drawn: Tensor
    flipped: tuple[tuple[str, bool, bool], ...]
    score: float
    probability: float


def hypotheses(seen: Prediction, index: int, skeleton: Skeleton, count: int = 5) -> list[Hypothesis]:
    """The `count` best readings of sample `index`, best first; fewer where nothing leans. All look the same in the picture."""
    pose, betas, scales = (part[index].detach().cpu().double().numpy() for part in (seen.pose, seen.betas, seen.bone_scales))
    options = _options(pose, betas, scales, skeleton)
    scores = _scores(options)
    readings = list(product(*([i for i, o in enumerate(options) if o.name == name] for name in LIMBS)))
    totals = np.array([scores[list(chosen)].sum() for chosen in readings])
    log_share = totals - np.logaddexp.reduce(totals)
    best = np.argsort(-totals, kind="stable")[:count]
    poses = [_joined(pose, [options[i] for i in readings[b]]) for b in best]
    drawn = _joints(np.stack(poses), betas, scales, skeleton)
    return [
        Hypothesis(
            pose=torch.from_numpy(poses[rank]).float(),
            joints3d_drawn=torch.from_numpy(drawn[rank]).float(),
            flipped=tuple((o.name, *o.choice) for o in (options[i] for i in readings[b]) if any(o.choice)),
            score=float(totals[b] - totals[best[0]]),
            probability=float(np.exp(log_share[b])),
        )
        for rank, b in enumerate(best)
    ]


class _Option(NamedTuple):
    """A limb with some of its bones reflected, the rest of the body as it was."""

    name: str
    limb: Limb
    choice: tuple[bool, bool]
    pose: np.ndarray


def _options(pose: np.ndarray, betas: np.ndarray, scales: np.ndarray, skeleton: Skeleton) -> list[_Option]:
    """Every limb in every way that differs from the others."""
    tensors = [torch.from_numpy(a[None]).to(skeleton.rest) for a in (pose, betas, scales)]
    with torch.no_grad():
        parts = (*skeleton.posed(*tensors), skeleton.rest_points(tensors[1]))
    turns, places, rest = (part[0].cpu().double().numpy() for part in parts)
    bones = Bones(turns, places, rest)
    return [
        _Option(name, limb, choice, reflected(limb, choice, pose, bones))
        for name, limb in LIMBS.items()
        for choice in CHOICES
        if all(leans or not flip for leans, flip in zip(_leans(limb, bones), choice, strict=True))
    ]


def _leans(limb: Limb, bones: Bones) -> list[bool]:
    steps = np.diff(bones.places[[limb.upper, limb.lower, limb.end], 2])
    return [bool(step) for step in np.abs(steps) > LEAN]


def _joints(poses: np.ndarray, betas: np.ndarray, scales: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Drawn joints (N, 16, 3) of poses (N, 24, 3, 3)."""
    count = len(poses)
    tensors = (poses, np.repeat(betas[None], count, 0), np.repeat(scales[None], count, 0))
    with torch.no_grad():
        return skeleton(*(torch.from_numpy(a).to(skeleton.rest) for a in tensors)).cpu().numpy()


def _joined(pose: np.ndarray, options: list[_Option]) -> np.ndarray:
    """One pose of an option for each limb: limbs share no joint."""
    out = pose.copy()
    for option in options:
        mine = [option.limb.upper, option.limb.lower, option.limb.end]
        out[mine] = option.pose[mine]
    return out


def _scores(options: list[_Option]) -> np.ndarray:
    """Log likelihoods (N,) of options, up to a constant of each limb."""
    poses = np.stack([o.pose for o in options])
    beyond = (angle_between(poses, fenced(poses)) / BEYOND) ** 2
    limits = [-0.5 * row[[o.limb.upper, o.limb.lower]].sum() for o, row in zip(options, beyond, strict=True)]
    return np.array(limits) + np.array([COMMON * _common(o) - TRUST * sum(o.choice) for o in options])


def _common(option: _Option) -> float:
    """Log density of a limb's rotations among those of the prior, girdle included."""
    chain = (SMPL_PARENTS[option.limb.upper], option.limb.upper, option.limb.lower)
    joints = tuple(joint for joint in chain if joint)  # hips hang on the pelvis, whose turn is the view's
    # Half the squared distance of two rotations, near 0 the squared angle, is three less their inner product.
    apart = 3 * len(joints) - _bank(joints) @ option.pose[list(joints)].ravel()
    return float(logsumexp(-apart / (2 * NEAR**2)))


@cache
def _bank(joints: tuple[int, ...]) -> np.ndarray:
    """Local rotations (BANK, 9 for each of the joints) drawn from the prior."""
    poses = load_prior().sample(generator(0, "bank", "hypotheses"), BANK)
    return poses[:, list(joints)].reshape(BANK, -1)
