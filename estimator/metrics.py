"""Errors of predicted poses, one number a sample; where a sample says nothing of a metric, NaN. Arrays in, plain numbers out."""

from typing import NamedTuple

import numpy as np

from estimator.sample import from_hips
from manifests.skeleton import CHILDREN, PARENTS, VISIBLE
from stages.body.rotations import angle_between
from stages.detector.metrics import correct

STEEP = 0.05  # metres of depth along an edge from which on its sign counts


class Shares(NamedTuple):
    """Of `of` things a sample (N,), `right` (N,) are right. The metric of many samples is the sum of one over that of the other."""

    right: np.ndarray
    of: np.ndarray


def mpjpe(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean distance in mm (N,) of joints (N, 16, 3) m, both counted from the hips' midpoint."""
    return distance(from_hips(seen), from_hips(truth))


def distance(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean distance in mm (N,) of points (N, K, 3) m."""
    return 1000 * np.linalg.norm(seen - truth, axis=-1).mean(-1)


def pa_mpjpe(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean distance in mm (N,) after the best turn, scale and shift of each prediction (N, K, 3) m."""
    return distance(procrustes(seen, truth), truth)


def procrustes(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Joints (N, J, 3) turned, scaled and shifted onto the truth by least squares, without mirroring."""
    centre, target = seen.mean(1, keepdims=True), truth.mean(1, keepdims=True)
    x, y = (seen - centre).astype(np.float64), (truth - target).astype(np.float64)
    u, s, vt = np.linalg.svd(x.transpose(0, 2, 1) @ y)
    s[:, -1] *= (sign := np.sign(np.linalg.det(u @ vt)))
    u[..., -1] *= sign[:, None]
    scale = s.sum(-1) / np.maximum((x**2).sum((1, 2)), 1e-12)
    return scale[:, None, None] * (x @ (u @ vt)) + target


def pck(seen: np.ndarray, truth: np.ndarray, visibility: np.ndarray) -> Shares:
    """Visible joints that lie within 0.1 torso lengths, neck to the hips' midpoint of the true drawing, of the truth (N, 16, 2) px."""
    return _counted(correct(seen, truth), visibility == VISIBLE)


def rotation_error(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean angle in degrees (N,) between local rotations (N, 24, 3, 3)."""
    return np.degrees(angle_between(seen, truth)).mean(-1)


def direction_error(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean angle in degrees (N,) between the bones of joints (N, 16, 3)."""
    a, b = (bones / np.linalg.norm(bones, axis=-1, keepdims=True) for bones in (_bones(seen), _bones(truth)))
    # Of the arc, not of the cosine, which is blunt near 0 and 180.
    return np.degrees(2 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1))).mean(-1)


def foreshortening_error(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean difference in degrees (N,) of the angles of bones to the picture plane, whichever way they lean."""
    return np.abs(_lean(seen) - _lean(truth)).mean(-1)


def depth_sign(seen: np.ndarray, truth: np.ndarray) -> Shares:
    """Edges that lean the right way in depth, of those over 5 cm; joints (N, 16, 3)."""
    steps, right = _bones(seen)[..., 2], _bones(truth)[..., 2]
    return _counted(np.sign(steps) == np.sign(right), np.abs(right) > STEEP)


def order_sign(gaps: np.ndarray, order: np.ndarray) -> Shares:
    """Crossings (N, 30) of the drawing whose limb in front, by the sign of the gap, is the label's: -1 the first, +1 the second."""
    return _counted(np.sign(gaps) == order, order != 0)


def contact_precision(seen: np.ndarray, truth: np.ndarray) -> Shares:
    """Pairs of parts that touch in truth, of those said to touch; contacts (N, 15, 15)."""
    return _counted(_pairs(truth), _pairs(seen))


def contact_recall(seen: np.ndarray, truth: np.ndarray) -> Shares:
    """Pairs of parts said to touch, of those that touch in truth."""
    return _counted(_pairs(seen), _pairs(truth))


def _counted(right: np.ndarray, asked: np.ndarray) -> Shares:
    return Shares((right & asked).sum(-1), asked.sum(-1))


def _bones(joints: np.ndarray) -> np.ndarray:
    return joints[:, CHILDREN] - joints[:, PARENTS]


def _lean(joints: np.ndarray) -> np.ndarray:
    bones = _bones(joints)
    return np.degrees(np.arctan2(np.abs(bones[..., 2]), np.linalg.norm(bones[..., :2], axis=-1)))


def _pairs(contacts: np.ndarray) -> np.ndarray:
    """Each pair once (N, 105)."""
    return contacts[:, *np.triu_indices(contacts.shape[-1], 1)] > 0
