"""Papers and grounds to draw on."""

import numpy as np

from stages.sketches.drawing.colour import noise
from stages.sketches.drawing.layer import UNITS


def plain(rng: np.random.Generator, size: int, tint, grain: float = 1.5, mottle: float = 1.5) -> np.ndarray:
    """A sheet (size, size, 3) of one tint (3,), with fine grain, slow mottling and corners a little darker."""
    sheet = np.empty((size, size, 3), np.float32)
    sheet[:] = np.asarray(tint, np.float32) + rng.normal(0, 1.5, 3)
    light = noise(rng, size, 0.5) * grain + noise(rng, size, UNITS / 5) * mottle - _corners(size) * rng.uniform(0, 12)
    return sheet + light[..., None]


def fibres(rng: np.random.Generator, size: int) -> np.ndarray:
    """Rice paper: a warm sheet with pale and dark fibres."""
    light, warmth = rng.uniform(240, 252), rng.uniform(0, 1)
    tint = np.array([light, light - 3 - 5 * warmth, light - 8 - 26 * warmth])
    weave = noise(rng, size, 0.5) + 0.8 * noise(rng, size, 2.8) + noise(rng, size, 18)
    return plain(rng, size, tint, 1.0, 1.3) + 1.6 * weave[..., None]


def ruled(sheet: np.ndarray, rng: np.random.Generator, squares: bool) -> None:
    """Rule the lines or squares of an exercise book onto the sheet, in place."""
    gap, blue = rng.uniform(14, 23), np.array([150, 185, 225], np.float32)
    strength, start = rng.uniform(0.25, 0.5), rng.uniform(0, 14)
    _rule(sheet, np.arange(start, UNITS, gap), strength, blue)
    if squares:
        _rule(sheet.swapaxes(0, 1), np.arange(start, UNITS, gap), strength, blue)
    else:
        _rule(sheet.swapaxes(0, 1), np.array([rng.uniform(20, 41)]), 0.5, np.array([235, 140, 140], np.float32))


def _rule(sheet: np.ndarray, places: np.ndarray, strength: float, colour: np.ndarray) -> None:
    """Lines one unit thick, level, at the places given in units, in place."""
    scale = len(sheet) / UNITS
    for place in places:
        first = int(place * scale)
        rows = sheet[first : first + max(1, round(scale))]
        rows += strength * (colour - rows)


def _corners(size: int) -> np.ndarray:
    place = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    return np.clip(place[:, None] + place[None] - 0.6, 0, None)
