"""Papers and grounds to draw on."""

import numpy as np

from stages.sketches.drawing.colour import noise


def plain(rng: np.random.Generator, size: int, tint, grain: float = 1.5, mottle: float = 1.5) -> np.ndarray:
    """A sheet (size, size, 3) of one tint (3,), with fine grain, slow mottling and corners a little darker."""
    sheet = np.empty((size, size, 3), np.float32)
    sheet[:] = np.asarray(tint, np.float32) + rng.normal(0, 1.5, 3)
    light = noise(rng, size, 0.5) * grain + noise(rng, size, size / 5) * mottle - _corners(size) * rng.uniform(0, 12)
    return sheet + light[..., None]


def fibres(rng: np.random.Generator, size: int) -> np.ndarray:
    """Rice paper: a warm sheet with pale and dark fibres."""
    light, warmth = rng.uniform(240, 252), rng.uniform(0, 1)
    tint = np.array([light, light - 3 - 5 * warmth, light - 8 - 26 * warmth])
    weave = noise(rng, size, 0.5) + 0.8 * noise(rng, size, size / 90) + noise(rng, size, size / 14)
    return plain(rng, size, tint, 1.0, 1.3) + 1.6 * weave[..., None]


def ruled(sheet: np.ndarray, rng: np.random.Generator, squares: bool) -> None:
    """Rule the lines or squares of an exercise book onto the sheet, in place."""
    size = len(sheet)
    gap, blue = size * rng.uniform(0.055, 0.09), np.array([150, 185, 225], np.float32)
    strength = rng.uniform(0.25, 0.5)
    start = rng.uniform(0, gap)
    for place in np.arange(start, size - 1, gap).astype(int):
        sheet[place] += strength * (blue - sheet[place])
        if squares:
            sheet[:, place] += strength * (blue - sheet[:, place])
    if not squares:
        margin = int(size * rng.uniform(0.08, 0.16))
        sheet[:, margin] += 0.5 * (np.array([235, 140, 140]) - sheet[:, margin])


def _corners(size: int) -> np.ndarray:
    place = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    return np.clip(place[:, None] + place[None] - 0.6, 0, None)
