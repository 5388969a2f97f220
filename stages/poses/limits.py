"""Ranges of motion of the human joints, in degrees from the anatomical position (standing, arms hanging).

Ranges: American Academy of Orthopaedic Surgeons, Joint Motion (1965), as tabulated in Norkin & White, Measurement of
Joint Motion. Widened a little where drawings of dancers and fighters need it. `sway` is our own: how far the
angle strays, one standard deviation, when a person does the same thing twice.
"""

from typing import NamedTuple

import numpy as np


class Range(NamedTuple):
    """Least and greatest angle and its everyday variation, degrees."""

    low: float
    high: float
    sway: float


# Turns of the whole body are not limited by any joint.
CENTRE = {
    "pelvis_pitch": Range(-180, 180, 3),  # + forwards
    "pelvis_roll": Range(-180, 180, 2.5),  # + to the left
    "pelvis_yaw": Range(-180, 180, 3),  # + to the left
    "spine_flex": Range(-30, 85, 4),  # + forwards; thoracic and lumbar together
    "spine_side": Range(-35, 35, 4),  # + to the left
    "spine_twist": Range(-45, 45, 5),  # + to the left
    "neck_flex": Range(-50, 45, 7),
    "neck_side": Range(-40, 40, 6),
    "neck_twist": Range(-70, 70, 12),
}
SIDE = {
    "hip_flex": Range(-30, 125, 4),
    "hip_abd": Range(-25, 55, 3.5),
    "hip_rot": Range(-40, 55, 6),  # + outwards
    "knee": Range(0, 145, 5),
    "ankle": Range(-50, 25, 5),  # + toes up
    "toes": Range(-30, 60, 4),  # + up
    "shrug": Range(-8, 30, 3),
    "arm_raise": Range(0, 175, 8),  # 0 hangs, 90 level, 180 overhead
    "arm_plane": Range(-80, 130, 10),  # where the raised arm points: 0 sideways, 90 forwards, below 0 backwards
    "arm_twist": Range(-80, 75, 8),  # + inwards
    "elbow": Range(0, 148, 8),
    "forearm_twist": Range(-75, 75, 12),  # + thumb inwards (pronation)
    "wrist": Range(-65, 75, 8),  # + towards the palm
    "wrist_side": Range(-28, 20, 5),  # + towards the thumb
}

RANGES = {**CENTRE, **{f"{side}_{name}": r for side in ("left", "right") for name, r in SIDE.items()}}
ANGLES = tuple(RANGES)
INDEX = {name: i for i, name in enumerate(ANGLES)}
LOW, HIGH, SWAY = (np.array(column, np.float64) for column in zip(*RANGES.values(), strict=True))

# An arm goes straight up in front of the chest but only this far behind it.
_RAISE_BEHIND, _BEHIND = 60.0, -60.0
_ARMS = [(INDEX[f"{side}_arm_raise"], INDEX[f"{side}_arm_plane"]) for side in ("left", "right")]


def clamp(angles: np.ndarray) -> np.ndarray:
    """The nearest angles (len(ANGLES),) degrees within the ranges; an arm behind the back is raised less."""
    out = np.clip(angles, LOW, HIGH)
    for arm, plane in _ARMS:
        behind = min(max(out[plane] / _BEHIND, 0.0), 1.0)
        out[arm] = min(out[arm], HIGH[arm] + behind * (_RAISE_BEHIND - HIGH[arm]))
    return out


def mirrored(angles: np.ndarray) -> np.ndarray:
    """Angles of the figure seen in a mirror: sides change places, turns to the left go right."""
    return angles[_SWAP] * _SIGN


_SWAP = np.array([INDEX[n.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")] for n in ANGLES])
_SIGN = np.array([-1.0 if n.endswith(("_roll", "_yaw", "spine_side", "spine_twist", "neck_side", "neck_twist")) else 1.0 for n in ANGLES])
