"""What a pose shows, in words, read off its joints by rules."""

import re
from typing import NamedTuple

import numpy as np
from numba import njit

from manifests.skeleton import SMPL_JOINTS

_PLURAL = re.compile(r"^(arm|hand|elbow)")
_BODY = np.array([SMPL_JOINTS.index(n) for n in ("pelvis", "neck", "head")])
_ARMS = np.array([[SMPL_JOINTS.index(f"{s}_{n}") for n in ("shoulder", "elbow", "wrist", "hip")] for s in ("left", "right")])
_LEGS = np.array([[SMPL_JOINTS.index(f"{s}_{n}") for n in ("hip", "knee", "ankle")] for s in ("left", "right")])
_LOW = 0.25  # leg lengths: a knee no higher above the lowest joint, a toe maybe, is on the ground


class Measures(NamedTuple):
    """What the words are read off. Pairs are left and right; y is up; lengths against the limb's own.

    trunk_up, chest_up: upward part of the trunk's and the chest's direction. chest_x, chest_z: where the chest looks.
    thigh_down, shin_down: how far they point down. knee, elbow: bend in degrees. stride: ankles apart, front to back.
    knee_up: height of the knee above the lowest joint.
    raised, ahead: reach of the arm along the trunk, and to where the chest looks. across, sideways: reach of arm, of upper arm,
    along the shoulders.
    stretch: reach over the arm's length. to_hip, to_head, to_other: metres from the wrist.
    """

    trunk_up: float
    chest_up: float
    chest_x: float
    chest_z: float
    stride: float
    thigh_down: tuple[float, float]
    shin_down: tuple[float, float]
    knee: tuple[float, float]
    knee_up: tuple[float, float]
    elbow: tuple[float, float]
    raised: tuple[float, float]
    ahead: tuple[float, float]
    across: tuple[float, float]
    sideways: tuple[float, float]
    stretch: tuple[float, float]
    to_hip: tuple[float, float]
    to_head: tuple[float, float]
    to_other: tuple[float, float]


def measured(joints: np.ndarray) -> list[Measures]:
    """Measures of poses (N, 24, 3) in the world (y up, the viewer at +z), metres."""
    table = np.empty((len(joints), 31))
    _measure(np.ascontiguousarray(joints, np.float64), _BODY, _ARMS, _LEGS, table)
    return [Measures._make([*row[:5], *zip(row[5::2], row[6::2], strict=True)]) for row in table.tolist()]


def words(m: Measures, action: str = "", gestures: tuple[str, ...] = ()) -> str:
    """Words for a pose. Known words for action and gestures go before the rules."""
    parts = [action or stance(m), *(gestures or arms(m)), facing(m)]
    return "a figure " + ", ".join(part for part in parts if part)


def stance(m: Measures) -> str:
    """Standing, sitting, lying and the like, from trunk and legs."""
    if m.trunk_up < -0.5:
        return "upside down"
    if m.trunk_up < 0.45:
        return _prone(m)
    if max(m.thigh_down) < 0.6:
        if max(m.knee) > 110:
            return "crouching"
        return "sitting" if max(m.shin_down) > 0.6 else "sitting on the floor"
    legs = zip(m.thigh_down, m.shin_down, m.knee_up, strict=True)
    kneeling = [thigh > 0.4 and shin < 0.4 and high < _LOW for thigh, shin, high in legs]
    if all(kneeling):
        return "kneeling"
    if any(kneeling) and min(m.thigh_down) < 0.6:
        return "kneeling on one knee"
    if min(m.thigh_down) < 0.5:
        left, right = (thigh + shin for thigh, shin in zip(m.thigh_down, m.shin_down, strict=True))
        if abs(left - right) < 0.4:  # both feet are about as far down
            return "lunging"
        return f"raising the {'left' if m.thigh_down[0] < m.thigh_down[1] else 'right'} leg"
    return _on_two_feet(m)


def _prone(m: Measures) -> str:
    if min(m.thigh_down) > 0.6:
        return "on all fours" if max(m.shin_down) < 0.5 and max(m.knee_up) < _LOW else "bending over"
    if m.chest_up < -0.3 and max(m.thigh_down) > 0.5:
        return "crawling" if min(m.knee_up) < _LOW else "bending over"
    side = "on the back" if m.chest_up > 0.5 else "face down" if m.chest_up < -0.5 else "on the side"
    return f"lying {side}"


def _on_two_feet(m: Measures) -> str:
    if m.trunk_up < 0.8 and m.chest_up < -0.3:
        return "bending forward"
    if m.stride > 0.45:
        return "striding"
    return "standing with bent knees" if min(m.knee) > 45 else "standing"


def arms(m: Measures) -> tuple[str, ...]:
    """What each arm does, if it does anything; both arms in one where they do the same."""
    left, right = (_arm(m, side) for side in (0, 1))
    if left and left == right:
        return ("both " + _PLURAL.sub(r"\1s", left),)
    if max(m.to_other) < 0.12:
        return ("hands together",)
    return tuple(f"{side} {does}" for side, does in (("left", left), ("right", right)) if does)


def _arm(m: Measures, i: int) -> str:
    if m.to_head[i] < 0.2:
        return "hand at the head"
    if m.raised[i] > 0.5:
        return "arm raised"
    if m.stretch[i] > 0.9 and m.raised[i] > -0.35:
        if m.across[i] > 0.75:
            return "arm stretched sideways"
        return "arm stretched ahead" if m.ahead[i] > 0 else "arm stretched back"
    if m.to_hip[i] < 0.24 and m.sideways[i] > 0.5 and m.elbow[i] > 50:
        return "hand on the hip"
    return "elbow bent" if m.elbow[i] > 80 else ""


def facing(m: Measures) -> str:
    """Where the chest looks; empty where it looks up or down."""
    if np.hypot(m.chest_x, m.chest_z) < 0.5:
        return ""
    turn = np.degrees(np.arctan2(m.chest_x, m.chest_z))
    side = "right" if turn > 0 else "left"
    for most, text in ((25, "facing the viewer"), (65, f"turned to the {side}"), (115, f"in profile to the {side}")):
        if abs(turn) < most:
            return text
    return "seen from behind"


@njit(cache=True)
def _measure(joints, body, arms, legs, out):
    for n in range(len(joints)):
        p = joints[n]
        trunk, across = _direction(p, body[0], body[1]), _direction(p, arms[1, 0], arms[0, 0])
        ahead = np.array([across[1] * trunk[2] - across[2] * trunk[1], across[2] * trunk[0] - across[0] * trunk[2],
                          across[0] * trunk[1] - across[1] * trunk[0]])  # fmt: skip
        out[n, 0], out[n, 1], out[n, 2], out[n, 3] = trunk[1], ahead[1], ahead[0], ahead[2]
        leg = _length(p, legs[0, 0], legs[0, 1]) + _length(p, legs[0, 1], legs[0, 2])
        step = p[legs[0, 2]] - p[legs[1, 2]]
        lowest = p[:, 1].min()
        out[n, 4] = abs(-step[0] * across[2] + step[2] * across[0]) / leg
        for s in range(2):
            hip, knee, ankle = legs[s]
            out[n, 5 + s], out[n, 7 + s] = -_direction(p, hip, knee)[1], -_direction(p, knee, ankle)[1]
            out[n, 9 + s], out[n, 11 + s] = _bend(p, hip, knee, ankle), (p[knee, 1] - lowest) / leg
            shoulder, elbow, wrist, side = arms[s]
            reach, upper = _direction(p, shoulder, wrist), _direction(p, shoulder, elbow)
            out[n, 13 + s] = _bend(p, shoulder, elbow, wrist)
            out[n, 15 + s], out[n, 17 + s] = _dot(reach, trunk), _dot(reach, ahead)
            out[n, 19 + s], out[n, 21 + s] = abs(_dot(reach, across)), abs(_dot(upper, across))
            out[n, 23 + s] = _length(p, shoulder, wrist) / (_length(p, shoulder, elbow) + _length(p, elbow, wrist))
            out[n, 25 + s], out[n, 27 + s] = _length(p, wrist, side), _length(p, wrist, body[2])
            out[n, 29 + s] = _length(p, wrist, arms[1 - s, 2])


@njit(cache=True)
def _bend(p, a, b, c):
    """Degrees by which the line a-b-c is bent at b."""
    return np.degrees(np.arccos(min(max(_dot(_direction(p, a, b), _direction(p, b, c)), -1.0), 1.0)))


@njit(cache=True)
def _direction(p, a, b):
    return (p[b] - p[a]) / max(_length(p, a, b), 1e-9)


@njit(cache=True)
def _length(p, a, b):
    return np.sqrt((p[b, 0] - p[a, 0]) ** 2 + (p[b, 1] - p[a, 1]) ** 2 + (p[b, 2] - p[a, 2]) ** 2)


@njit(cache=True)
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
