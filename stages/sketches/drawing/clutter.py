"""What children put around a figure: a sun, grass, a house, flowers, clouds."""

from typing import TYPE_CHECKING

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing.anatomy import footing_of
from stages.sketches.drawing.canvas import Canvas
from stages.sketches.drawing.colour import rough
from stages.sketches.drawing.layer import UNITS, blank
from stages.sketches.drawing.palette import CRAYONS, Paint, pick
from stages.sketches.drawing.pen import arc, draw_line

if TYPE_CHECKING:
    from stages.sketches.drawing.kids import Box

_COLOUR = {paint.name: paint for paint in CRAYONS}


def add(canvas: Canvas, figure: Figure, box: "Box", options: dict[str, str], rng: np.random.Generator) -> list[str]:
    """Draw what the options ask for behind the figure, where there is room; returns the names of a few."""
    named = {"sun": _sun, "grass": _grass, "house": _house, "flowers": _flowers, "clouds": _clouds}
    chosen = [name for name in named if options[name] == name]
    for name in chosen:
        named[name](canvas, figure, box, rng)
    return chosen[:2]


def _wax(canvas: Canvas, lines: list[np.ndarray], colour: Paint, box: "Box", rng: np.random.Generator) -> None:
    layer = blank(canvas.size)
    for line in lines:
        draw_line(layer, line, box.pen, rng)
    canvas.glaze(rough(layer, box.tooth, 0.6, 0.95), colour.array)


def _emptier_side(figure: Figure, rows: slice) -> int:
    """0 where the left half of the rows holds less of the figure, else 1."""
    band = figure.part[rows] > 0
    return int(band[:, : UNITS // 2].sum() > band[:, UNITS // 2 :].sum())


def _sun(canvas: Canvas, figure: Figure, box: "Box", rng: np.random.Generator) -> None:
    side = _emptier_side(figure, slice(0, UNITS // 3))
    inward, down, radius = rng.uniform((0, 0, 0.09), (0.1, 0.1, 0.14)) * UNITS
    centre = np.array([side * UNITS + (1 - 2 * side) * inward, down])
    rays = []
    for turn in np.linspace(0, 2 * np.pi, int(rng.integers(10, 18)), endpoint=False):
        way = np.array([np.cos(turn), np.sin(turn)])
        rays.append(np.stack([centre + way * radius * 1.2, centre + way * radius * rng.uniform(1.5, 1.9)]))
    rings = [arc(centre, radius * k) for k in (1, 0.75, 0.5, 0.25)]
    _wax(canvas, rings + rays, _COLOUR["yellow"] if rng.random() < 0.8 else _COLOUR["orange"], box, rng)


def _grass(canvas: Canvas, figure: Figure, box: "Box", rng: np.random.Generator) -> None:
    low = footing_of(figure.part > 0).low
    base = min(low + 0.02 * UNITS, 0.985 * UNITS)
    x = np.linspace(0, UNITS, int(rng.integers(30, 70)))
    tall = rng.uniform(0.01, 0.05) * UNITS
    y = base - np.where(np.arange(len(x)) % 2, tall * rng.uniform(0.5, 1.2, len(x)), 0)
    _wax(canvas, [np.stack([x, y], 1)], _COLOUR["green"], box, rng)


def _house(canvas: Canvas, figure: Figure, box: "Box", rng: np.random.Generator) -> None:
    side = _emptier_side(figure, slice(UNITS // 3, UNITS))
    wide, floor = rng.uniform(0.16, 0.22) * UNITS, rng.uniform(0.8, 0.9) * UNITS
    x0 = 0.03 * UNITS if side == 0 else 0.97 * UNITS - wide
    walls = np.array([[0, 0], [0, -0.8], [1, -0.8], [1, 0], [0, 0]]) * wide + [x0, floor]
    roof = np.array([[-0.1, -0.8], [0.5, -1.4], [1.1, -0.8]]) * wide + [x0, floor]
    door = np.array([[0.38, 0], [0.38, -0.42], [0.62, -0.42], [0.62, 0]]) * wide + [x0, floor]
    _wax(canvas, [walls, door], pick(rng, CRAYONS), box, rng)
    _wax(canvas, [roof], _COLOUR["red"], box, rng)


def _flowers(canvas: Canvas, figure: Figure, box: "Box", rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 4))):
        foot = np.array([rng.uniform(0.04, 0.96), 0.97]) * UNITS
        head = foot - [rng.normal(0, 0.01) * UNITS, rng.uniform(0.08, 0.14) * UNITS]
        _wax(canvas, [np.stack([foot, head])], _COLOUR["green"], box, rng)
        petals = [
            arc(head + 0.022 * UNITS * np.array([np.cos(t), np.sin(t)]), 0.014 * UNITS, count=14) for t in np.linspace(0, 6.28, 6)[:-1]
        ]
        _wax(canvas, petals, pick(rng, CRAYONS[:8]), box, rng)


def _clouds(canvas: Canvas, figure: Figure, box: "Box", rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 3))):
        centre, radius = np.array([rng.uniform(0.1, 0.9), rng.uniform(0.06, 0.16)]) * UNITS, rng.uniform(0.025, 0.04) * UNITS
        puffs = [arc(centre + k * 1.3 * radius * np.array([1.0, 0.0]), radius, np.pi, np.pi, 12) for k in (-1, 0, 1)]
        _wax(canvas, [np.concatenate([*puffs, [puffs[0][0]]])], _COLOUR["light blue"], box, rng)
