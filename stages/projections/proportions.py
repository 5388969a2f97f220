"""How drawings distort a body: presets that artists use, and a spread around them."""

from collections.abc import Mapping

import numpy as np

# SMPL joints whose bones change together; (left, right) pairs, or the same joint twice on the middle line.
GROUPS = {
    "head": ((15, 15),), "neck": ((12, 12),), "trunk": ((0, 0), (3, 3), (6, 6), (9, 9)), "shoulders": ((13, 14),),
    "upper_arms": ((16, 17),), "forearms": ((18, 19),), "hands": ((20, 21), (22, 23)),
    "thighs": ((1, 2),), "shins": ((4, 5),), "feet": ((7, 8), (10, 11)),
}  # fmt: skip

# Factors of each group; 1 where not named. A big head needs a long neck, or its chin sinks into the chest.
PRESETS = {
    "realistic": {},
    "heroic": {
        "head": 0.88, "trunk": 1.04, "shoulders": 1.22, "upper_arms": 1.06, "forearms": 1.05, "hands": 1.08, "thighs": 1.1, "shins": 1.13,
    },
    "chibi": {
        "head": 1.8, "neck": 1.45, "trunk": 0.74, "shoulders": 0.8, "upper_arms": 0.62, "forearms": 0.6, "hands": 0.95,
        "thighs": 0.52, "shins": 0.5, "feet": 0.85,
    },
    "child": {
        "head": 1.32, "neck": 1.1, "trunk": 0.86, "shoulders": 0.85, "upper_arms": 0.8, "forearms": 0.78, "hands": 0.86,
        "thighs": 0.74, "shins": 0.74, "feet": 0.84,
    },
    "long": {"head": 0.9, "neck": 1.25, "trunk": 1.06, "upper_arms": 1.22, "forearms": 1.22, "hands": 1.05, "thighs": 1.28, "shins": 1.3},
}  # fmt: skip

_UNEVEN = 0.15  # of the figures have a left and a right that differ, as clumsy drawings do
_LEAST, _MOST = 0.35, 2.5


def draw_proportions(rng: np.random.Generator, weights: Mapping[str, float], spread: float) -> tuple[str, np.ndarray]:
    """Name of a preset and the length factors (24,) of every joint's bone; `spread` is the sd of their logs."""
    name = _pick(rng, weights)
    uneven = spread / 2 if rng.random() < _UNEVEN else 0.0
    scales = np.ones(24)
    for group, pairs in GROUPS.items():
        factor = PRESETS[name].get(group, 1.0) * np.exp(spread * np.clip(rng.normal(), -2.5, 2.5))
        left, right = factor * np.exp(uneven * np.clip(rng.normal(size=2), -2.5, 2.5))
        for a, b in pairs:
            scales[a], scales[b] = (factor, factor) if a == b else (left, right)
    return name, np.clip(scales, _LEAST, _MOST)


def _pick(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    """In the order of PRESETS, whatever the order of the recipe."""
    names = [name for name in PRESETS if weights.get(name, 0) > 0]
    ends = np.cumsum([weights[name] for name in names])
    return names[int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))]
