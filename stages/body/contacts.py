"""Which named parts of a body touch each other, and how deep it passes through itself."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numba import njit

from manifests.skeleton import BODY_PARTS
from stages.body.geodesic import far_apart, spread_out
from stages.body.model import BodyModel
from stages.body.raster import vertex_normals

TOUCH = 0.02  # metres between two points of the skin
APART = 0.3  # metres between them over the skin of the rest pose, so that neighbours at a joint do not count
POINTS = 4000  # about 2 cm apart: fewer miss contacts, more cost time
_STEEP = 0.6  # least cosine between a normal and the way to a point under it
_BLOCK = 16  # points that share a box
# Flesh gives way where a joint folds: what lies under the skin there is no body passing through itself.
_FOLDS = {
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right")
      for a, b in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shin"), ("shin", "foot"))),
    ("hips", "left_thigh"), ("hips", "right_thigh"), ("head", "chest"), ("chest", "hips"),
}  # fmt: skip
_GIVES = np.array([[(a, b) in _FOLDS or (b, a) in _FOLDS for b in BODY_PARTS] for a in BODY_PARTS])


class Touch(NamedTuple):
    """contacts: symmetric (P, P) uint8 over BODY_PARTS, 1 where two parts touch, 0 on the diagonal.

    depth: metres by which a point of one part lies under the skin of another that no joint folds against it, 0 where none does.
    """

    contacts: np.ndarray
    depth: float


@dataclass(frozen=True, eq=False)
class ContactFinder:
    """Self-contact on a fixed, even choice of a body's vertices."""

    body: BodyModel

    def contacts(self, pose: np.ndarray, betas: np.ndarray) -> np.ndarray:
        """Symmetric (P, P) uint8 over BODY_PARTS: 1 where two parts of the undistorted body touch; 0 on the diagonal."""
        return self.touch(pose, betas).contacts

    def touch(self, pose: np.ndarray, betas: np.ndarray) -> Touch:
        """Contacts and depth of the undistorted body in a pose (24, 3) with betas (10,)."""
        posed, normals = self._part.vertices_and_normals(pose, betas, self._normals)
        contacts, depth = _touching(posed, normals, self._starts, self._far, _GIVES)
        return Touch(contacts, float(depth))

    @cached_property
    def _points(self) -> np.ndarray:
        """Vertices in the order of their parts, and within a part along its longest side, so that neighbours share boxes."""
        chosen = spread_out(self.body.template, self.body.faces, POINTS)
        part, order = self.body.vertex_part[chosen], []
        for p in range(len(BODY_PARTS)):
            mine = chosen[part == p]
            along = self.body.template[mine] @ _longest_axis(self.body.template[mine])
            order.append(mine[np.argsort(along, kind="stable")])
        return np.concatenate(order)

    @cached_property
    def _part(self) -> BodyModel:
        return self.body.part(self._points)

    @cached_property
    def _normals(self) -> np.ndarray:
        return vertex_normals(self.body.template, self.body.faces)[self._points]

    @cached_property
    def _starts(self) -> np.ndarray:
        """Where each part begins among the points, and the end of the last."""
        return np.searchsorted(self.body.vertex_part[self._points], np.arange(len(BODY_PARTS) + 1))

    @cached_property
    def _far(self) -> np.ndarray:
        return far_apart(self.body.template, self.body.faces, self._points, APART)


def _longest_axis(points: np.ndarray) -> np.ndarray:
    """The one of x, y, z along which points (N, 3) reach farthest."""
    return np.eye(3)[np.ptp(points, axis=0).argmax()] if len(points) else np.eye(3)[0]


@njit(cache=True)
def _touching(posed, normals, starts, far, gives):
    parts = len(starts) - 1
    out, depth = np.zeros((parts, parts), np.uint8), 0.0
    for b in range(parts):
        if starts[b] == starts[b + 1]:
            continue
        lows, highs, low, high = _boxes(posed, starts[b], starts[b + 1])
        for a in range(parts):
            if a == b:
                continue
            for i in range(starts[a], starts[a + 1]):
                if _distance_to_box(posed[i], low, high) > TOUCH * TOUCH:
                    continue
                touches, under = _meet(posed, normals, i, starts[b], starts[b + 1], lows, highs, far)
                if touches:
                    out[a, b] = out[b, a] = 1
                if not gives[a, b]:
                    depth = max(depth, under)
    return out, depth


@njit(cache=True)
def _meet(posed, normals, i, start, end, lows, highs, far):
    """Whether point i touches the part of points start to end, and how deep it lies under its skin."""
    nearest, best, touches = start, np.inf, False
    for block in range(len(lows)):
        if _distance_to_box(posed[i], lows[block], highs[block]) > max(best, TOUCH * TOUCH):
            continue
        for j in range(start + block * _BLOCK, min(end, start + (block + 1) * _BLOCK)):
            x, y, z = posed[i, 0] - posed[j, 0], posed[i, 1] - posed[j, 1], posed[i, 2] - posed[j, 2]
            d = x * x + y * y + z * z
            if d < best:
                nearest, best = j, d
            if d < TOUCH * TOUCH and far[i, j]:
                touches = True
    if not far[i, nearest]:
        return touches, 0.0
    under = 0.0
    for k in range(3):
        under -= (posed[i, k] - posed[nearest, k]) * normals[nearest, k]
    return touches, under if under > _STEEP * np.sqrt(best) else 0.0


@njit(cache=True)
def _boxes(points, start, end):
    """Least and greatest coordinates of each block of points, and of all."""
    count = (end - start + _BLOCK - 1) // _BLOCK
    lows, highs = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for i in range(start, end):
        block = (i - start) // _BLOCK
        for k in range(3):
            lows[block, k], highs[block, k] = min(lows[block, k], points[i, k]), max(highs[block, k], points[i, k])
            low[k], high[k] = min(low[k], points[i, k]), max(high[k], points[i, k])
    return lows, highs, low, high


@njit(cache=True)
def _distance_to_box(p, low, high):
    """Squared distance from a point to a box, 0 inside."""
    d = 0.0
    for k in range(3):
        away = max(low[k] - p[k], p[k] - high[k], 0.0)
        d += away * away
    return d
