"""Whether a body runs into itself, judged on capsules: quick enough for every pose there is.

Soft parts give way and clothes bulge, so a touch is none of this; only depths that flesh cannot take are.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from manifests.skeleton import BODY_PARTS, SMPL_JOINTS
from stages.body.model import BodyModel

TOLERANCE = 0.06  # metres of overlap: recordings put onto another body than their actor's reach it in 3 of 100 frames
_J = {name: i for i, name in enumerate(SMPL_JOINTS)}
_CUT = 0.35  # thighs begin this far down the bone: above, they are one with the hips
# Trunk capsules lie across: joint, half width as a share of the shoulders', height and depth (m) against the joint.
_ACROSS = (("chest", "spine3", 0.35, 0.04, 0.0), ("chest", "spine2", 0.3, 0.0, 0.0), ("hips", "pelvis", 0.35, -0.03, 0.0))
_ALONG = (("upper_arm", "shoulder", "elbow", 0.2), ("forearm", "elbow", "wrist", 0.0), ("hand", "wrist", "hand", 0.0),
          ("thigh", "hip", "knee", _CUT), ("shin", "knee", "ankle", 0.0), ("foot", "ankle", "foot", 0.0))  # fmt: skip
# Parts that lie against each other in everybody, or that flesh joins.
_FREE = {("head", "chest"), ("chest", "hips")}
_FREE_OF_A_SIDE = {("chest", "upper_arm"), ("hips", "thigh"), ("chest", "thigh"), ("upper_arm", "forearm"), ("upper_arm", "hand"),
                   ("forearm", "hand"), ("thigh", "shin"), ("thigh", "foot"), ("shin", "foot"),
                   ("hips", "shin"), ("hips", "foot")}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Capsules:
    """C capsules, each fixed to one joint: carrier (C,), ends (C, 2, 3) metres against the joint in its frame, radius (C,).

    parts (C,): index into BODY_PARTS. pairs (P, 2): which capsules may not meet.
    """

    carrier: np.ndarray
    ends: np.ndarray
    radius: np.ndarray
    parts: np.ndarray
    pairs: np.ndarray

    def deepest(self, world: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Greatest overlap (N,) in metres, and the pair (N,) that it is between.

        world (N, 24, 3, 3): rotation of each joint in the world; joints (N, 24, 3) metres.
        """
        return _deepest(world, joints, self.carrier, self.ends, self.radius, self.pairs)

    def reason(self, depth: float, pair: int) -> str:
        """The sentence for a pose that is rejected; empty where nothing runs too deep."""
        if depth <= TOLERANCE:
            return ""
        first, second = (BODY_PARTS[self.parts[c]].replace("_", " ") for c in self.pairs[pair])
        return f"self-penetration: {first} in {second}, {round(depth * 1000)} mm"


def capsules_of(body: BodyModel) -> Capsules:
    """Capsules as thick as the body's own parts."""
    rest = body.rest_points(np.zeros(10))
    rows = [*_trunk(rest), *(row for side in ("left", "right") for row in _limbs(rest, side))]
    names, carrier, ends = zip(*rows, strict=True)
    parts = np.array([BODY_PARTS.index(name) for name in names])
    ends_world = np.array(ends) + rest[np.array(carrier)][:, None]
    radius = _radii(body, parts, ends_world)
    pairs = [(i, j) for i in range(len(rows)) for j in range(i + 1, len(rows)) if not _is_free(names[i], names[j])]
    return Capsules(np.array(carrier), np.array(ends), radius, parts, np.array(pairs))


def _trunk(rest: np.ndarray):
    width = abs(rest[_J["left_shoulder"]] - rest[_J["right_shoulder"]])[0] / 2
    skull = rest[24] - rest[_J["head"]]
    yield "head", _J["head"], (skull * 0.3, skull * 1.2)
    for part, joint, share, up, ahead in _ACROSS:
        yield part, _J[joint], (np.array([-share * width, up, ahead]), np.array([share * width, up, ahead]))


def _limbs(rest: np.ndarray, side: str):
    for part, start, end, cut in _ALONG:
        bone = rest[_J[f"{side}_{end}"]] - rest[_J[f"{side}_{start}"]]
        yield f"{side}_{part}", _J[f"{side}_{start}"], (bone * cut, bone)


def _is_free(a: str, b: str) -> bool:
    (side_a, bare_a), (side_b, bare_b) = (_sided(name) for name in (a, b))
    if a == b or (a, b) in _FREE:
        return True
    return (not side_a or not side_b or side_a == side_b) and ((bare_a, bare_b) in _FREE_OF_A_SIDE or (bare_b, bare_a) in _FREE_OF_A_SIDE)


def _sided(name: str) -> tuple[str, str]:
    side, _, bare = name.partition("_")
    return (side, bare) if side in ("left", "right") else ("", name)


def _radii(body: BodyModel, parts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """For each capsule a low quartile of how far the skin of its part lies from it, where it is the nearest of the part."""
    out = np.zeros(len(parts))
    for part in np.unique(parts):
        own, skin = np.flatnonzero(parts == part), body.template[body.vertex_part == part]
        away = np.stack([_to_segment(skin, *ends[c]) for c in own])
        for row, c in enumerate(own):
            out[c] = np.quantile(away[row][away.argmin(0) == row], 0.25)
    return out


def _to_segment(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.sqrt(((points - a - along[:, None] * (b - a)) ** 2).sum(1))


@njit(cache=True)
def _deepest(world, joints, carrier, ends, radius, pairs):
    count = len(joints)
    depth, which = np.full(count, -np.inf), np.zeros(count, np.int64)
    points = np.empty((len(carrier), 2, 3))
    for n in range(count):
        for c in range(len(carrier)):
            for e in range(2):
                for r in range(3):
                    m = world[n, carrier[c], r]
                    points[c, e, r] = joints[n, carrier[c], r] + m[0] * ends[c, e, 0] + m[1] * ends[c, e, 1] + m[2] * ends[c, e, 2]
        for p in range(len(pairs)):
            a, b = pairs[p]
            over = radius[a] + radius[b] - np.sqrt(_apart2(points[a, 0], points[a, 1], points[b, 0], points[b, 1]))
            if over > depth[n]:
                depth[n], which[n] = over, p
    return depth, which


@njit(cache=True)
def _apart2(p, q, r, s):
    """Squared distance between the segments p-q and r-s."""
    a = b = c = d = e = 0.0
    for k in range(3):
        u, v, w = q[k] - p[k], s[k] - r[k], p[k] - r[k]
        a, b, c, d, e = a + u * u, b + u * v, c + v * v, d + u * w, e + v * w
    bottom = a * c - b * b
    x = min(max((b * e - c * d) / bottom, 0.0), 1.0) if bottom > 1e-12 else 0.0
    y = (b * x + e) / c
    if y < 0.0 or y > 1.0:
        y = min(max(y, 0.0), 1.0)
        x = min(max((b * y - d) / a, 0.0), 1.0)
    out = 0.0
    for k in range(3):
        gap = p[k] + x * (q[k] - p[k]) - r[k] - y * (s[k] - r[k])
        out += gap * gap
    return out
