"""Rows of strokes that fill an area: hatching, and the scribble of a crayon."""

import numpy as np

from stages.sketches.drawing.layer import UNITS, Layer
from stages.sketches.drawing.pen import Pen, draw_line, resample


def hatch(layer: Layer, area: np.ndarray, angle: float, gap: float, pen: Pen, rng: np.random.Generator) -> None:
    """Separate parallel strokes, `gap` units apart at `angle` radians, wherever they cross the area (256, 256) bool."""
    for row, bounds in _rows(area, angle, gap, rng):
        for a, b in bounds:
            if b - a > 3:
                draw_line(layer, row[max(0, a - 1) : b + 1], pen, rng)


def scribble(layer: Layer, area: np.ndarray, angle: float, gap: float, pen: Pen, rng: np.random.Generator) -> None:
    """One zigzag that goes to and fro over the area (256, 256) bool, lifted only where the area ends."""
    path: list[np.ndarray] = []
    for row, bounds in _rows(area, angle, gap, rng):
        if not bounds or (path and np.abs(path[-1] - row[bounds[0][0]]).max() > 12 * gap):
            _zigzag(layer, path, pen, rng)
            path = []
        for a, b in bounds[:1]:
            slip = rng.integers(-2, 3, 2)
            ends = row[np.clip([a + slip[0], b - 1 + slip[1]], 0, len(row) - 1)]
            path += [*(ends if len(path) // 2 % 2 else ends[::-1])]
        for a, b in bounds[1:]:
            draw_line(layer, row[a:b], pen, rng) if b - a > 2 else None
    _zigzag(layer, path, pen, rng)


def _zigzag(layer: Layer, path: list[np.ndarray], pen: Pen, rng: np.random.Generator) -> None:
    if len(path) > 1:
        draw_line(layer, resample(np.stack(path), 2), pen, rng)


def _rows(area: np.ndarray, angle: float, gap: float, rng: np.random.Generator):
    """Points of each row (N, 2) with the stretches [(start, stop)] of it that lie in the area."""
    way = np.array([np.cos(angle), np.sin(angle)])
    ys, xs = np.nonzero(area)
    if not len(xs):
        return
    across = np.stack([xs, ys], 1) @ np.array([-way[1], way[0]])
    along = np.stack([xs, ys], 1) @ way
    for offset in np.arange(across.min(), across.max() + gap, gap):
        place = offset + rng.normal(0, 0.12 * gap)
        row = np.arange(along.min() - 1, along.max() + 2)[:, None] * way + place * np.array([-way[1], way[0]]) + 0.5
        cell = np.floor(row).astype(int)
        inside = ((cell >= 0) & (cell < UNITS)).all(1)
        cell = np.clip(cell, 0, UNITS - 1)
        on = np.concatenate([[0], (inside & area[cell[:, 1], cell[:, 0]]).astype(np.int8), [0]])
        edges = np.flatnonzero(np.diff(on))
        yield row, list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
