"""Natural poses from a table of stances and arm gestures, each a mean with spreads that move together."""

import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import yaml

from stages.poses.limits import ANGLES, INDEX, SIDE, SWAY, clamp, mirrored

_ONE_ARM, _SAME_ARMS = 0.45, 0.3  # of the figures with gestures; the rest make a different one with each arm
_LIVELINESS = 0.3  # sd of the log of how far one figure strays from the means
_BOTH = re.compile(r"^(both (?:hand|arm|fist|palm))")
_ARM = tuple(name for name in SIDE if name.startswith(("arm_", "shrug", "elbow", "forearm", "wrist")))


@dataclass(frozen=True)
class Stance:
    """says: words; turn: degrees; arms: chance of gestures; mean and each mode: angles (len(ANGLES),) degrees."""

    says: str
    weight: float
    mean: np.ndarray
    modes: tuple[np.ndarray, ...] = ()
    turn: float = 0
    arms: float = 0
    sway: float = 1


@dataclass(frozen=True)
class Gesture:
    """What one arm does: angles by bare name; `body` is added to the rest of the figure."""

    says: str
    weight: float
    arm: dict[str, float]
    body: dict[str, float] = field(default_factory=dict)
    sway: float = 1


class Drawn(NamedTuple):
    """angles (len(ANGLES),) degrees within the limits; turn: degrees about the upright; action and gestures: words."""

    angles: np.ndarray
    turn: float
    action: str
    gestures: tuple[str, ...]


def draw_figure(rng: np.random.Generator) -> Drawn:
    """One figure: a stance, mirrored or not, with or without gestures, never twice the same."""
    stances, gestures = table()
    stance = _pick(rng, stances)
    scale = float(np.exp(_LIVELINESS * rng.normal()))
    angles = stance.mean + sum(np.clip(rng.normal(), -2, 2) * mode for mode in stance.modes)
    angles = angles + stance.sway * scale * SWAY * np.clip(rng.normal(size=len(ANGLES)), -2.5, 2.5)
    side = 1.0
    if rng.random() < 0.5:
        angles, side = mirrored(angles), -1.0
    words = _gesture(rng, angles, gestures, scale) if rng.random() < stance.arms else ()
    return Drawn(clamp(angles), side * stance.turn, stance.says, words)


def _gesture(rng: np.random.Generator, angles: np.ndarray, gestures: tuple[Gesture, ...], scale: float) -> tuple[str, ...]:
    """Lays gestures over the arms of `angles` and returns their words."""
    sides: tuple[str, ...] = ("left", "right")
    kind = rng.random()
    first, second = _pick(rng, gestures), _pick(rng, gestures)
    if kind < _ONE_ARM:
        sides = ("left",) if rng.random() < 0.5 else ("right",)
    elif kind < _ONE_ARM + _SAME_ARMS:
        second = first
    for side, gesture in zip(sides, (first, second), strict=False):
        for name in _ARM:
            i = INDEX[f"{side}_{name}"]
            stray = gesture.sway * scale * SWAY[i] * np.clip(rng.normal(), -2.5, 2.5)
            angles[i] = gesture.arm.get(name, 0.0) + stray
        for name, change in gesture.body.items():
            angles[INDEX[name]] += change
    return _words(sides, first, second)


def _words(sides: tuple[str, ...], first: Gesture, second: Gesture) -> tuple[str, ...]:
    said = [gesture.says.format(side=side) for side, gesture in zip(sides, (first, second), strict=False)]
    if len(said) == 2 and first is second:
        said = [_BOTH.sub(r"\1s", first.says.format(side="both"))]
    return tuple(text for text in said if text)


def _pick(rng: np.random.Generator, items):
    weights = np.cumsum([item.weight for item in items])
    return items[int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))]


@cache
def table() -> tuple[tuple[Stance, ...], tuple[Gesture, ...]]:
    """Stances and gestures of the bundled table, in its order."""
    data = yaml.safe_load((resources.files("stages.poses") / "archetypes.yaml").read_text("utf-8"))
    ease = _angles(data["ease"])
    stances = [_stance(ease, **entry) for entry in data["stances"].values()]
    return tuple(stances), tuple(Gesture(**entry) for entry in data["gestures"].values())


def _stance(ease: np.ndarray, mean: dict | None = None, modes: list | None = None, **rest) -> Stance:
    return Stance(mean=_angles(mean or {}, ease), modes=tuple(_angles(mode) for mode in modes or []), **rest)


def _angles(named: dict[str, float], start: np.ndarray | None = None) -> np.ndarray:
    """Angles from names; one side's own name wins over the bare name of both. KeyError names an unknown angle."""
    out = np.zeros(len(ANGLES)) if start is None else start.copy()
    for name, value in sorted(named.items(), key=lambda item: item[0] not in SIDE):
        for full in (f"left_{name}", f"right_{name}") if name in SIDE else (name,):
            out[INDEX[full]] = value
    return out
