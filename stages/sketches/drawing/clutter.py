"""What children put around a figure: a sun, grass, a house, flowers, clouds."""

from typing import TYPE_CHECKING

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing.anatomy import footing_of
from stages.sketches.drawing.colour import blank, glaze, rough
from stages.sketches.drawing.palette import CRAYONS, Paint, pick
from stages.sketches.drawing.pen import arc, draw_line

if TYPE_CHECKING:
    from stages.sketches.drawing.kids import Box

_COLOUR = {paint.name: paint for paint in CRAYONS}


def add(picture: np.ndarray, figure: Figure, box: "Box", rng: np.random.Generator) -> list[str]:
    """Draw a few things behind the figure, where there is room; returns their names."""
    named = {"sun": _sun, "grass": _grass, "house": _house, "flowers": _flowers, "clouds": _clouds}
    chance = {"sun": 0.45, "grass": 0.5, "house": 0.15, "flowers": 0.25, "clouds": 0.25}
    chosen = [name for name in named if rng.random() < chance[name]]
    for name in chosen:
        named[name](picture, figure, box, rng)
    return chosen[:2]


def _wax(picture: np.ndarray, lines: list[np.ndarray], colour: Paint, box: "Box", rng: np.random.Generator) -> None:
    layer = blank(len(picture))
    for line in lines:
        draw_line(layer, line, box.pen, rng)
    glaze(picture, rough(layer, box.tooth, 0.6) * 0.95, colour.array)


def _emptier_side(figure: Figure, rows: slice) -> int:
    """0 where the left half of the rows holds less of the figure, else 1."""
    band = figure.part[rows] > 0
    return int(band[:, : figure.size // 2].sum() > band[:, figure.size // 2 :].sum())


def _sun(picture: np.ndarray, figure: Figure, box: "Box", rng: np.random.Generator) -> None:
    size = figure.size
    side = _emptier_side(figure, slice(0, size // 3))
    inward, down, radius = rng.uniform((0, 0, 0.09), (0.1, 0.1, 0.14)) * size
    centre = np.array([side * size + (1 - 2 * side) * inward, down])
    rays = []
    for turn in np.linspace(0, 2 * np.pi, int(rng.integers(10, 18)), endpoint=False):
        way = np.array([np.cos(turn), np.sin(turn)])
        rays.append(np.stack([centre + way * radius * 1.2, centre + way * radius * rng.uniform(1.5, 1.9)]))
    rings = [arc(centre, radius * k) for k in (1, 0.75, 0.5, 0.25)]
    _wax(picture, rings + rays, _COLOUR["yellow"] if rng.random() < 0.8 else _COLOUR["orange"], box, rng)


def _grass(picture: np.ndarray, figure: Figure, box: "Box", rng: np.random.Generator) -> None:
    size, low = figure.size, footing_of(figure.part > 0).low
    base = min(low + 0.02 * size, 0.985 * size)
    x = np.linspace(0, size, int(rng.integers(30, 70)))
    tall = rng.uniform(0.01, 0.05) * size
    y = base - np.where(np.arange(len(x)) % 2, tall * rng.uniform(0.5, 1.2, len(x)), 0)
    _wax(picture, [np.stack([x, y], 1)], _COLOUR["green"], box, rng)


def _house(picture: np.ndarray, figure: Figure, box: "Box", rng: np.random.Generator) -> None:
    size = figure.size
    side = _emptier_side(figure, slice(size // 3, size))
    wide, floor = rng.uniform(0.16, 0.22) * size, rng.uniform(0.8, 0.9) * size
    x0 = 0.03 * size if side == 0 else 0.97 * size - wide
    walls = np.array([[0, 0], [0, -0.8], [1, -0.8], [1, 0], [0, 0]]) * wide + [x0, floor]
    roof = np.array([[-0.1, -0.8], [0.5, -1.4], [1.1, -0.8]]) * wide + [x0, floor]
    door = np.array([[0.38, 0], [0.38, -0.42], [0.62, -0.42], [0.62, 0]]) * wide + [x0, floor]
    _wax(picture, [walls, door], pick(rng, CRAYONS), box, rng)
    _wax(picture, [roof], _COLOUR["red"], box, rng)


def _flowers(picture: np.ndarray, figure: Figure, box: "Box", rng: np.random.Generator) -> None:
    size = figure.size
    for _ in range(int(rng.integers(1, 4))):
        foot = np.array([rng.uniform(0.04, 0.96), 0.97]) * size
        head = foot - [rng.normal(0, 0.01) * size, rng.uniform(0.08, 0.14) * size]
        _wax(picture, [np.stack([foot, head])], _COLOUR["green"], box, rng)
        petals = [arc(head + 0.022 * size * np.array([np.cos(t), np.sin(t)]), 0.014 * size, count=14) for t in np.linspace(0, 6.28, 6)[:-1]]
        _wax(picture, petals, pick(rng, CRAYONS[:8]), box, rng)


def _clouds(picture: np.ndarray, figure: Figure, box: "Box", rng: np.random.Generator) -> None:
    size = figure.size
    for _ in range(int(rng.integers(1, 3))):
        centre, radius = np.array([rng.uniform(0.1, 0.9), rng.uniform(0.06, 0.16)]) * size, rng.uniform(0.025, 0.04) * size
        puffs = [arc(centre + k * 1.3 * radius * np.array([1.0, 0.0]), radius, np.pi, np.pi, 12) for k in (-1, 0, 1)]
        _wax(picture, [np.concatenate([*puffs, [puffs[0][0]]])], _COLOUR["light blue"], box, rng)
