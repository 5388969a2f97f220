"""Which named parts of a body touch each other."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from manifests.skeleton import BODY_PARTS, PART_OF_SMPL_JOINT
from stages.body.model import BodyModel

TOUCH = 0.02  # metres between two points of the skin
APART = 0.12  # metres between them in the rest pose, so that neighbours at a joint do not count
POINTS = 4000  # these find 97 % of the contacts that all 13,718 vertices find, in a third of the time
# Parts that grow into each other are always close; their closeness says nothing.
_JOINED = {
    ("head", "chest"), ("chest", "hips"), ("chest", "left_upper_arm"), ("chest", "right_upper_arm"),
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right")
      for a, b in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shin"), ("shin", "foot"))),
    ("hips", "left_thigh"), ("hips", "right_thigh"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class ContactFinder:
    """Self-contact on a fixed, even choice of a body's vertices."""

    body: BodyModel

    def contacts(self, pose: np.ndarray, betas: np.ndarray) -> np.ndarray:
        """Symmetric (P, P) uint8 over BODY_PARTS: 1 where two parts of the undistorted body touch; 0 on the diagonal."""
        rest = self.body.vertices(np.zeros((24, 3)), betas, only=self._points)
        posed = self.body.vertices(pose, betas, only=self._points)
        return _touching(posed, rest, self._starts, self._allowed)

    @cached_property
    def _points(self) -> np.ndarray:
        """Vertices in the order of their parts."""
        chosen = _spread_out(self.body.template, POINTS)
        return chosen[np.argsort(self._part_of(chosen), kind="stable")]

    @cached_property
    def _starts(self) -> np.ndarray:
        """Where each part begins among the points, and the end of the last."""
        return np.searchsorted(self._part_of(self._points), np.arange(len(BODY_PARTS) + 1))

    @cached_property
    def _allowed(self) -> np.ndarray:
        index = BODY_PARTS.index
        allowed = np.triu(np.ones((len(BODY_PARTS), len(BODY_PARTS)), bool), 1)
        for a, b in _JOINED:
            allowed[min(index(a), index(b)), max(index(a), index(b))] = False
        return allowed

    def _part_of(self, vertices: np.ndarray) -> np.ndarray:
        parts = np.array([BODY_PARTS.index(name) for name in PART_OF_SMPL_JOINT])
        return parts[self.body.vertex_joint[vertices]]


@njit(cache=True)
def _spread_out(points, count):
    """Indices of points that are far from each other: each is the farthest from those before it."""
    chosen = np.zeros(min(count, len(points)), np.int64)
    distance = np.full(len(points), np.inf)
    for i in range(1, len(chosen)):
        last, farthest = chosen[i - 1], 0
        for p in range(len(points)):
            x, y, z = points[p, 0] - points[last, 0], points[p, 1] - points[last, 1], points[p, 2] - points[last, 2]
            distance[p] = min(distance[p], x * x + y * y + z * z)
            if distance[p] > distance[farthest]:
                farthest = p
        chosen[i] = farthest
    return chosen


@njit(cache=True)
def _touching(posed, rest, starts, allowed):
    parts = len(starts) - 1
    out = np.zeros((parts, parts), np.uint8)
    for a in range(parts):
        for b in range(a + 1, parts):
            if allowed[a, b] and _pair_touches(posed, rest, starts[a], starts[a + 1], starts[b], starts[b + 1]):
                out[a, b] = out[b, a] = 1
    return out


@njit(cache=True)
def _pair_touches(posed, rest, a0, a1, b0, b1):
    if a0 == a1 or b0 == b1:
        return False
    for k in range(3):  # boxes that are apart need no search
        if posed[a0:a1, k].min() > posed[b0:b1, k].max() + TOUCH or posed[b0:b1, k].min() > posed[a0:a1, k].max() + TOUCH:
            return False
    for i in range(a0, a1):
        for j in range(b0, b1):
            if _near(posed, i, j, TOUCH) and not _near(rest, i, j, APART):
                return True
    return False


@njit(cache=True)
def _near(points, i, j, distance):
    x, y, z = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1], points[i, 2] - points[j, 2]
    return x * x + y * y + z * z < distance * distance
