"""The optimisation fit, in the manner of Sketch2Pose (Brodt and Bessmeltsev, SIGGRAPH 2022): joints in a picture to poses.

Many poses of the prior, seen from many sides, are compared with the drawing; from the best that differ, Adam goes on. Against the
published fit: a bone's direction is signed, so one drawn backwards costs most, and foreshortening is a cosine, so it is bounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from estimator.camera import laid, project
from estimator.hints import Hints, contact_gap, depth_gap
from estimator.pose_prior import PosePrior
from estimator.rotations import from_6d, to_6d
from estimator.skeleton import Skeleton
from estimator.starts import starts
from manifests.skeleton import CHILDREN, PARENTS
from stages.body.model import BodyModel, load_body
from stages.poses.fence import fenced
from stages.projections.proportions import GROUPS as PAIRS

STEPS, RATE, PATIENCE, ENOUGH = 150, 0.03, 15, 3e-3  # it ends where so many steps bring less than this share
STEPS_FROM_START = 30  # a given start is near already: more steps gain little in the picture and lose as much in space
# Bones that change together, by name, and the group of each joint's bone.
GROUPS = {name: tuple(sorted({j for pair in pairs for j in pair})) for name, pairs in PAIRS.items()}
_GROUP = {joint: index for index, members in enumerate(GROUPS.values()) for joint in members}
GROUP_OF_JOINT = [_GROUP[joint] for joint in range(24)]
_SOFT = 0.05  # of the figure's size: errors below count by their square, above by their length
_SOFT_DEPTH = 0.1  # metres, likewise
_TEMPERATURE = 0.15  # of the scores: this much more loss is e times less likely


@dataclass(frozen=True)
class Weights:
    """What each term counts. Lengths are in the figure's own size (the spread of its joints), so they hold for any picture; of depth,
    in metres. Joints in a picture say little of depth, so that of a given start is held to more than the start itself."""

    place: float = 6.0
    direction: float = 2.0
    foreshortening: float = 1.0
    prior: float = 0.1
    limits: float = 1.0
    proportions: float = 0.3
    start: float = 0.1
    depth: float = 5.0
    hints: float = 4.0


class Fit(NamedTuple):
    """B figures, K readings of each, best first: pose (B, K, 24, 3, 3), root in the camera frame; bone_scales (B, K, 24);
    camera (B, K, 3) px per metre and the hips' midpoint in px; score (B, K), sums to 1; loss (B, K)."""

    pose: np.ndarray
    bone_scales: np.ndarray
    camera: np.ndarray
    score: np.ndarray
    loss: np.ndarray


def fit(
    joints2d: np.ndarray,
    weights: np.ndarray,
    start: np.ndarray | None = None,
    *,
    body: BodyModel | None = None,
    betas: np.ndarray | None = None,
    bone_scales: np.ndarray | None = None,
    hints: Sequence[Hints] | None = None,
    readings: int = 4,
    steps: int | None = None,
    terms: Weights = Weights(),
) -> Fit:
    """Poses of B figures from joints (B, 16, 2) px and how much each counts (B, 16), 0 where it was not seen.

    start: poses (B, 24, 3, 3) to begin at and stay near, above all in depth, with their betas (B, 10) and bone_scales (B, 24); without
    it K poses of the prior. hints: what the user knows of each figure. readings: K, 1 where there is a start. steps: at most so many;
    None: as many as it takes, few where there is a start. Equal input gives equal output on one machine.
    """
    problem = _Problem(joints2d, weights, start, body or load_body(), betas, bone_scales, hints, readings, terms)
    return problem.solve(steps or (STEPS if start is None else STEPS_FROM_START))


class _Problem:
    """Rows: the K starts of figure 0, then those of figure 1, …"""

    def __init__(self, joints2d, weights, start, body, betas, bone_scales, hints, readings, terms: Weights):
        count = len(joints2d)
        self.count, self.terms = count, terms
        self.hints = [*(hints or [Hints()] * count)]
        self.hinted = any(map(any, self.hints))
        begin = self._begin(joints2d, weights, start, body, readings)
        self.rows = begin.shape[1]
        self.begin = torch.from_numpy(begin.reshape(-1, 24, 3, 3)).float()
        self.near = float(start is not None)
        self.seen, self.weight, self.middle, self.size = _normal(self._repeat(joints2d), self._repeat(weights))
        self.skeleton, self.betas = Skeleton(body), self._repeat(np.zeros((count, 10)) if betas is None else betas)
        scales = self._repeat(np.ones((count, 24)) if bone_scales is None else bone_scales).log()
        self.log_scales = torch.stack([scales[:, list(members)].mean(1) for members in GROUPS.values()], 1)
        self.depth = self._joints(self.begin, self.log_scales)[..., 2]
        self.bone_seen = self.seen[:, CHILDREN] - self.seen[:, PARENTS]
        sure = torch.minimum(self.weight[:, CHILDREN], self.weight[:, PARENTS])
        # The direction of a bone that points at the viewer is anybody's guess.
        self.bone_weight = sure * (self.bone_seen.norm(dim=-1) / 0.3).clamp(max=1)
        self.sure = sure

    def _begin(self, joints2d, weights, start, body, readings: int) -> np.ndarray:
        """(B, K, 24, 3, 3)."""
        return starts(joints2d, weights, body, self.hints, readings) if start is None else np.asarray(start, np.float64)[:, None]

    def solve(self, steps: int) -> Fit:
        six = to_6d(self.begin).clone().requires_grad_()
        logs = self.log_scales.clone().requires_grad_()
        optimizer = torch.optim.Adam([six, logs], lr=RATE)
        best, since, fence = float("inf"), 0, self.begin
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = RATE * (1 - 0.9 * step / steps)
            pose = from_6d(six)
            if step % 5 == 0:
                fence = torch.from_numpy(fenced(pose.detach().double().numpy())).float()
            loss = self._loss(pose, logs, fence).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            since = 0 if loss.item() < best * (1 - ENOUGH) else since + 1
            best = min(best, loss.item())
            if since >= PATIENCE:
                break
        with torch.no_grad():
            pose = from_6d(six)
            fence = torch.from_numpy(fenced(pose.double().numpy())).float()
            return self._sorted(pose, logs, self._loss(pose, logs, fence))

    def _loss(self, pose: Tensor, logs: Tensor, fence: Tensor) -> Tensor:
        """(N,) of poses (N, 24, 3, 3) and the logarithms (N, G) of the lengths of groups of bones."""
        t, joints = self.terms, self._joints(pose, logs)
        camera = laid(joints, self.seen, self.weight)
        off = _soft((project(joints, camera) - self.seen).square().sum(-1), _SOFT)
        bones = joints[:, CHILDREN] - joints[:, PARENTS]
        length = bones.norm(dim=-1).clamp(min=1e-4)
        return (
            t.place * _mean(off, self.weight)
            + t.direction * _mean(direction_cost(bones[..., :2], self.bone_seen), self.bone_weight)
            + t.foreshortening * _mean(foreshortening_cost(bones, self.bone_seen, camera[:, :1] * length), self.sure)
            + t.prior * _priors()(pose)
            # The way back over the fence, as if it were flat here.
            + t.limits * (pose - fence)[:, 1:].square().sum((-1, -2, -3))
            + t.proportions * ((logs - self.log_scales).square().mean(1) / 0.3**2)
            + self.near * t.start * (pose - self.begin).square().sum((-1, -2, -3))
            + self.near * t.depth * _soft((joints[..., 2] - self.depth).square(), _SOFT_DEPTH).mean(1)
            + t.hints * self._hinted(joints)
        )

    def _joints(self, pose: Tensor, logs: Tensor) -> Tensor:
        """Joints (N, 16, 3) m of poses with the logarithms (N, G) of the lengths of groups of bones."""
        return self.skeleton(pose, self.betas, logs[:, GROUP_OF_JOINT].exp())

    def _hinted(self, joints: Tensor) -> Tensor:
        """What each row has of its user's hints unfulfilled."""
        if not self.hinted:
            return joints.new_zeros(())
        parts = joints.view(self.count, self.rows, 16, 3)
        return torch.stack([depth_gap(part, h) + contact_gap(part, h) for part, h in zip(parts, self.hints, strict=True)]).flatten()

    def _sorted(self, pose: Tensor, logs: Tensor, loss: Tensor) -> Fit:
        scales = logs[:, GROUP_OF_JOINT].exp()
        camera = laid(self._joints(pose, logs), self.seen, self.weight) * self.size[:, None]
        camera[:, 1:] += self.middle
        order = loss.view(self.count, -1).argsort(1)
        pick = torch.arange(self.count)[:, None], order

        def sorted_rows(x: Tensor) -> np.ndarray:
            return x.reshape(self.count, self.rows, *x.shape[1:])[pick].double().numpy()

        score = (-loss.view(self.count, -1) / _TEMPERATURE).softmax(1).flatten()
        return Fit(sorted_rows(pose), sorted_rows(scales), sorted_rows(camera), sorted_rows(score), sorted_rows(loss))

    def _repeat(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.repeat(np.asarray(values, np.float64), self.rows, 0)).float()


def direction_cost(bones: Tensor, seen: Tensor) -> Tensor:
    """1 - cosine (..., E) between bones in the picture (..., E, 2): 0 for the right way, 2 for the opposite."""
    return 1 - F.cosine_similarity(bones, seen, dim=-1, eps=1e-4)


def foreshortening_cost(bones: Tensor, seen: Tensor, length: Tensor) -> Tensor:
    """|cos - cos| (..., E) of the angles to the picture plane: of bones (..., E, 3), and of those seen (..., E, 2) were they `length`
    (..., E) long, in the same unit. A bone drawn longer than it can be is in the plane, no more."""
    cosine = (bones[..., :2].square().sum(-1) + 1e-8).sqrt() / bones.norm(dim=-1).clamp(min=1e-4)
    return (cosine - (seen.norm(dim=-1) / length.clamp(min=1e-4)).clamp(max=1)).abs()


def _normal(joints2d: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Joints about their middle (N, 2) in units of their spread (N,), weights that are nowhere all zero, the middle, the spread."""
    weight = weights.clamp(min=1e-4)
    share = (weight / weight.sum(1, keepdim=True))[..., None]
    middle = (share * joints2d).sum(1)
    apart = joints2d - middle[:, None]
    size = (share * apart.square()).sum((1, 2)).sqrt().clamp(min=1e-3)
    return apart / size[:, None, None], weight, middle, size


def _soft(square: Tensor, soft: float) -> Tensor:
    """Lengths from their squares, but squares again well below `soft`."""
    return (square + soft**2).sqrt() - soft


def _mean(cost: Tensor, weight: Tensor) -> Tensor:
    return (cost * weight).sum(1) / weight.sum(1).clamp(min=1e-6)


@cache
def _priors() -> PosePrior:
    return PosePrior()
