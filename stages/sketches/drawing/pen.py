"""A hand with a pen: polylines become strokes with a width and a pressure at every point. Lengths are in units (see layer.py)."""

from dataclasses import dataclass

import numpy as np

from stages.sketches.drawing.layer import Layer

_STEP = 1.5  # units between the points of a stroke


@dataclass(frozen=True)
class Pen:
    """How a hand draws a line; lengths in units.

    width: mean width; swell: share by which the width wanders; taper: share of the length that thins out at each end;
    tip: width left at the very ends, as a share; wobble: sideways wander, at most twice that; pressure: ink 0..1;
    skips: share of the line left out.
    """

    width: float
    swell: float = 0.25
    taper: float = 0.2
    tip: float = 0.4
    wobble: float = 0.4
    pressure: float = 1.0
    skips: float = 0.0


def draw_line(layer: Layer, points: np.ndarray, pen: Pen, rng: np.random.Generator) -> None:
    """Draw one polyline (N, 2) into the layer, as the pen would."""
    line = resample(points, _STEP)
    line = line + np.clip(wander(rng, len(line), 9), -2, 2)[:, None] * pen.wobble * _normals(line)
    shape = _taper(len(line), pen) * np.clip(1 + pen.swell * wander(rng, len(line), 14), 0.2, 2.5)
    ink = pen.pressure * np.clip(1 - 0.3 * pen.swell * np.abs(wander(rng, len(line), 10)), 0, 1)
    if pen.skips:
        ink = ink * (wander(rng, len(line), 6) > _skip_level(pen.skips))
    layer.stamp(line, 0.5 * pen.width * shape, ink)


def draw_dot(layer: Layer, centre: np.ndarray, radius: float, ink: float = 1.0) -> None:
    """A round dot; centre (2,) and radius."""
    layer.stamp(np.stack([centre, centre]), np.full(2, radius), np.full(2, ink))


def resample(points: np.ndarray, step: float) -> np.ndarray:
    """The polyline (N, 2) with points about `step` apart."""
    points = np.asarray(points, np.float64)
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = max(2, int(at[-1] / step) + 1)
    places = np.linspace(0, at[-1], count)
    return np.stack([np.interp(places, at, points[:, 0]), np.interp(places, at, points[:, 1])], 1)


def smooth(points: np.ndarray, rounds: int, closed: bool = False) -> np.ndarray:
    """The polyline with its corners softened; open ends stay where they are."""
    line = np.asarray(points, np.float64)
    for _ in range(rounds):
        before, after = np.roll(line, 1, 0), np.roll(line, -1, 0)
        softer = 0.25 * before + 0.5 * line + 0.25 * after
        if not closed:
            softer[0], softer[-1] = line[0], line[-1]
        line = softer
    return line


def wander(rng: np.random.Generator, count: int, period: float) -> np.ndarray:
    """Smooth noise (count,) of about unit size that turns over every `period` points."""
    knots = rng.normal(0, 1, int(count / period) + 4)
    place = np.linspace(rng.random(), len(knots) - 2 - 1e-9, count)
    i = place.astype(int)
    t = place - i
    t = t * t * (3 - 2 * t)
    return knots[i] * (1 - t) + knots[i + 1] * t


def arc(centre: np.ndarray, radius: float, start: float = 0.0, sweep: float = 2 * np.pi, count: int = 40) -> np.ndarray:
    """Points (count, 2) on a circle, from `start` through `sweep` radians."""
    angle = np.linspace(start, start + sweep, count)
    return centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1)


def _normals(line: np.ndarray) -> np.ndarray:
    along = np.gradient(line, axis=0)
    return np.stack([-along[:, 1], along[:, 0]], 1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)


def _taper(count: int, pen: Pen) -> np.ndarray:
    if pen.taper <= 0:
        return np.ones(count)
    place = np.linspace(0, 1, count)
    rise = np.clip(np.minimum(place, 1 - place) / pen.taper, 0, 1)
    return pen.tip + (1 - pen.tip) * np.sin(rise * np.pi / 2)


def _skip_level(share: float) -> float:
    """The level of unit noise below which about `share` of it lies."""
    return float(np.interp(share, [0, 0.05, 0.1, 0.2, 0.35, 0.5], [-9, -1.4, -1.05, -0.7, -0.3, 0]))
