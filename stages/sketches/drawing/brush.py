"""A bristle brush: dabs of thick paint that leave streaks and relief."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from stages.sketches.drawing.layer import UNITS, Stroke

_BRISTLES, _BRUSHES = 24, 32
_FINEST = 1.6  # units between bristles: finer ones only flicker


@dataclass(frozen=True)
class Dabs:
    """Strokes to lay in order: place (N, 2), length and width (N,) in units, angle (N,) radians, bend (N,), colour (N, 3).

    area (N,) uint8: the stroke paints only pixels of this area; 255 goes anywhere.
    """

    place: np.ndarray
    angle: np.ndarray
    length: np.ndarray
    width: np.ndarray
    bend: np.ndarray
    colour: np.ndarray
    area: np.ndarray


def lay_dabs(picture: np.ndarray, relief: np.ndarray, areas: np.ndarray, dabs: Dabs, thickness: float, rng: np.random.Generator) -> None:
    """Paint the dabs onto a picture (H, W, 3) and a relief (H, W) float32, in place; areas (H, W) uint8; thickness of paint 0..1."""
    brushes = 0.25 + 0.75 * rng.random((_BRUSHES, _BRISTLES))
    brush = rng.integers(0, _BRUSHES, len(dabs.place))
    shape = np.stack([*dabs.place.T, np.cos(dabs.angle), np.sin(dabs.angle), dabs.length / 2, dabs.width / 2, dabs.bend], 1)
    scale = len(picture) / UNITS
    _lay(picture, relief, areas, scale, shape.astype(np.float64), dabs.colour.astype(np.float64), dabs.area, thickness, brushes, brush)


def strokes_of(dabs: Dabs) -> list[Stroke]:
    """Each dab as the stroke of a pen of its width, three points long."""
    way = np.stack([np.cos(dabs.angle), np.sin(dabs.angle)], 1) * dabs.length[:, None] / 2
    bow = np.stack([-way[:, 1], way[:, 0]], 1) * dabs.bend[:, None]
    paths = np.stack([dabs.place - way + bow, dabs.place, dabs.place + way + bow], 1)
    return [Stroke(path, np.full(3, wide / 2), np.full(3, 0.9)) for path, wide in zip(paths, dabs.width, strict=True)]


@njit(cache=True)
def _lay(picture, relief, areas, scale, shape, colour, area, thickness, brushes, brush):
    height, width = areas.shape
    bristles = brushes.shape[1]
    for i in range(len(shape)):
        x0, y0, c, s, long, wide, bend = shape[i]
        most = min(bristles - 1.0, max(2.0, 2 * wide / _FINEST))
        x0, y0, long, wide = x0 * scale, y0 * scale, long * scale, wide * scale
        reach = long + wide + abs(bend) * long
        for y in range(max(0, int(y0 - reach)), min(height, int(y0 + reach) + 2)):
            for x in range(max(0, int(x0 - reach)), min(width, int(x0 + reach) + 2)):
                if area[i] != 255 and areas[y, x] != area[i]:
                    continue
                dx, dy = x + 0.5 - x0, y + 0.5 - y0
                u = (dx * c + dy * s) / long
                v = (dy * c - dx * s - bend * long * u * u) / wide
                if abs(v) >= 1.0 or abs(u) >= 1.0:
                    continue
                place = (v + 1) * 0.5 * most
                k = int(place)
                bristle = brushes[brush[i], k] + (place - k) * (brushes[brush[i], min(k + 1, bristles - 1)] - brushes[brush[i], k])
                # Each bristle lifts off at its own place, so ends are ragged; the rim of the stroke is thin.
                cover = min(1.0, 3.5 * (0.55 + 0.5 * bristle - abs(u))) * min(1.0, 4 * (1 - abs(v)))
                if cover <= 0:
                    continue
                cover = min(0.96, cover)
                tone = 0.9 + 0.2 * bristle
                for b in range(3):
                    picture[y, x, b] += cover * (colour[i, b] * tone - picture[y, x, b])
                relief[y, x] += cover * (thickness * bristle * (1 - 0.5 * v * v) - relief[y, x])
