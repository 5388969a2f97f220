"""Where a fit begins: poses of the prior seen from all sides, those that look most like the drawing and differ in space."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from estimator.hints import Hints, contact_gap, depth_gap
from estimator.pose_prior import drawn_poses
from manifests.skeleton import CHILDREN, LEFT_HIP, PARENTS, RIGHT_HIP
from stages.body.camera import FRONT
from stages.body.model import BodyModel
from stages.body.rotations import about, axis_angle_from_matrix

_POSES, _YAWS = 1200, 12  # looked at from so many sides
_ROLLED, _ROLLS, _ROLLED_YAWS = 300, (90, 180, 270), 8  # and some of them lying on a side, or on their heads
_ROLL_COST, _BACK_COST = 0.12, 0.03  # most figures are upright, and face the viewer
_DIRECTION = 0.3  # of bones, against the distance of joints in units of the figure's size
_APART = 0.15  # metres a joint that two starts differ by
_LOOKED_AT = 600


class _Views(NamedTuple):
    """M views: pose (P, 24, 3, 3) without heading, row (M,) of them; turn (M, 3, 3) from y up to the camera frame; joints (M, 16, 3)
    float32 m from the hips' midpoint, camera frame; cost (M,) of being unusual."""

    pose: np.ndarray
    row: np.ndarray
    turn: np.ndarray
    joints: np.ndarray
    cost: np.ndarray


def starts(joints2d: np.ndarray, weights: np.ndarray, body: BodyModel, hints: Sequence[Hints], count: int) -> np.ndarray:
    """Poses (B, count, 24, 3, 3), the root in the camera frame, for joints (B, 16, 2) px and what each counts (B, 16)."""
    views = _views(body)
    return np.stack([_best(views, *row, count) for row in zip(np.asarray(joints2d), np.asarray(weights), hints, strict=True)])


def _best(views: _Views, joints2d: np.ndarray, weights: np.ndarray, hints: Hints, count: int) -> np.ndarray:
    cost = views.cost + _unlike(views.joints, joints2d.astype(np.float32), weights.astype(np.float32))
    if any(hints):
        joints = torch.from_numpy(views.joints)
        cost = cost + (depth_gap(joints, hints) + contact_gap(joints, hints)).numpy()
    order = np.argsort(cost, kind="stable")[:_LOOKED_AT]
    kept = [order[0]]
    for i in order[1:]:
        if len(kept) < count and all(np.linalg.norm(views.joints[i] - views.joints[k], axis=-1).mean() > _APART for k in kept):
            kept.append(i)
    kept += [order[0]] * (count - len(kept))
    pose = views.pose[views.row[kept]].copy()
    pose[:, 0] = views.turn[kept] @ pose[:, 0]
    return pose


def _unlike(joints: np.ndarray, seen: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How little (M,) views (M, 16, 3) look like joints (16, 2), whatever their size and place."""
    share = (np.maximum(weights, 1e-4) / np.maximum(weights, 1e-4).sum())[:, None]
    a, b = joints[..., :2] - (share * joints[..., :2]).sum(1, keepdims=True), seen - (share * seen).sum(0)
    b = b / max(float(np.sqrt((share * b * b).sum())), 1e-6)
    a = a / np.sqrt((share * a * a).sum((1, 2), keepdims=True))
    bones_a, bones_b = a[:, CHILDREN] - a[:, PARENTS], b[CHILDREN] - b[PARENTS]
    cosine = (bones_a * bones_b).sum(-1) / np.maximum(np.linalg.norm(bones_a, axis=-1) * np.linalg.norm(bones_b, axis=-1), 1e-4)
    sure = np.minimum(weights[CHILDREN], weights[PARENTS]) * np.minimum(np.linalg.norm(bones_b, axis=-1) / 0.3, 1)
    return (share * (a - b) ** 2).sum((1, 2)) + _DIRECTION * ((1 - cosine) * sure).sum(1) / max(float(sure.sum()), 1e-4)


@lru_cache(maxsize=2)
def _views(body: BodyModel) -> _Views:
    """The library; poses and sides are always the same."""
    pose = drawn_poses(_POSES)
    rest = body.joints_of_many(axis_angle_from_matrix(pose), np.zeros((_POSES, 10)))[1]
    rest = rest - rest[:, (RIGHT_HIP, LEFT_HIP)].mean(1, keepdims=True)
    sides = [(about("y", 2 * np.pi * i / _YAWS), _POSES, 0.0) for i in range(_YAWS)]
    sides += [(about("z", np.radians(roll)) @ about("y", 2 * np.pi * i / _ROLLED_YAWS), _ROLLED, _ROLL_COST)
              for roll in _ROLLS for i in range(_ROLLED_YAWS)]  # fmt: skip
    turns = [FRONT @ turn for turn, _, _ in sides]
    return _Views(
        pose,
        np.concatenate([np.arange(many) for _, many, _ in sides]),
        np.concatenate([np.tile(t, (many, 1, 1)) for t, (_, many, _) in zip(turns, sides, strict=True)]),
        np.concatenate([rest[:many] @ t.T for t, (_, many, _) in zip(turns, sides, strict=True)]).astype(np.float32),
        np.concatenate([np.full(many, extra + _BACK_COST * (1 + t[2, 2]) / 2) for t, (_, many, extra) in zip(turns, sides, strict=True)]),
    )
