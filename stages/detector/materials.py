"""Lines in the papers, pens and paints of the renderer: small pictures (128, 128, 3) float32."""

import numpy as np

from stages.detector.things import Lines
from stages.sketches.drawing import paper
from stages.sketches.drawing.brush import Dabs, lay_dabs
from stages.sketches.drawing.canvas import Canvas
from stages.sketches.drawing.colour import blur, noise, polygon, rough
from stages.sketches.drawing.layer import UNITS, blank
from stages.sketches.drawing.palette import CLOTHS, CRAYONS, PENS, pick, vary
from stages.sketches.drawing.pen import Pen, draw_line

SIDE = 128  # px of a picture


def _is_area(line: np.ndarray) -> bool:
    return len(line) > 3 and bool(np.allclose(line[0], line[-1]))


def _pens(lines: Lines, rng: np.random.Generator) -> np.ndarray:
    """Lines of one pen, areas filled with flat colours or not, on paper or a tint."""
    tint = np.array([rng.uniform(225, 255), rng.uniform(225, 255), rng.uniform(205, 255)])
    canvas, filled = Canvas(paper.plain(rng, SIDE, tint, 1, 1)), rng.random() < 0.5
    pen = Pen(rng.uniform(1.3, 5), rng.uniform(0.05, 0.3), 0.12, 0.45, rng.uniform(0, 0.9))
    if rng.random() < 0.2:
        paper.ruled(canvas.picture, rng, bool(rng.random() < 0.5))
    ink = vary(pick(rng, PENS), rng).array
    for line in lines:
        if filled and _is_area(line):
            canvas.lay(polygon(SIDE, line), vary(pick(rng, CLOTHS), rng).array)
        layer = blank(SIDE)
        draw_line(layer, line, pen, rng)
        canvas.lay(layer, ink)
    return canvas.picture


def _charcoal(lines: Lines, rng: np.random.Generator) -> np.ndarray:
    """Lines tried again and again, smudged areas, the paper's tooth."""
    canvas, tooth = Canvas(paper.plain(rng, SIDE, rng.uniform((185, 175, 145), (250, 248, 245)), 2.5, 1.2)), noise(rng, SIDE, 0.6)
    layer, stick, weight = blank(SIDE), np.full(3, rng.uniform(30, 60), np.float32), rng.uniform(1, 2.6)
    for line in lines:
        if _is_area(line) and rng.random() < 0.5:
            canvas.glaze(blur(polygon(SIDE, line).ink, 4) * rng.uniform(0.1, 0.5), stick)
        for _ in range(int(rng.integers(1, 4))):
            pen = Pen(weight * rng.uniform(0.7, 1.5), 0.5, 0.3, 0.3, 0.6, rng.uniform(0.4, 1), 0.08)
            draw_line(layer, line + rng.normal(0, 1, 2), pen, rng)
    canvas.glaze(rough(layer, tooth, rng.uniform(0.5, 0.85), 0.95), stick)
    return canvas.picture


def _crayons(lines: Lines, rng: np.random.Generator) -> np.ndarray:
    """Broad waxy lines, each of a colour of its own."""
    canvas, tooth = Canvas(paper.plain(rng, SIDE, rng.uniform((235, 232, 222), 255), 1, 1)), noise(rng, SIDE, 0.7)
    pen = Pen(rng.uniform(2.5, 6.5), 0.2, 0.05, 0.7, rng.uniform(0.6, 1.8), rng.uniform(0.75, 1))
    for line in lines:
        colour, layer = pick(rng, CRAYONS).array, blank(SIDE)
        draw_line(layer, line, pen, rng)
        if _is_area(line) and rng.random() < 0.4:
            canvas.glaze(rough(polygon(SIDE, line) * 0.7, tooth, 0.8, 0.8), colour)
        canvas.glaze(rough(layer, tooth, 0.6, 0.95), colour)
    return canvas.picture


def _ink(lines: Lines, rng: np.random.Generator) -> np.ndarray:
    """A loaded brush on rice paper, and washes."""
    canvas, layer, ink = Canvas(paper.fibres(rng, SIDE)), blank(SIDE), np.array([34, 32, 36], np.float32) + rng.uniform(-6, 14)
    loaded = rng.uniform(2, 6)
    for line in lines:
        draw_line(layer, line, Pen(loaded * rng.uniform(0.4, 1.3), 0.55, 0.4, 0.12, 0.5, rng.uniform(0.75, 1), 0.05), rng)
        if _is_area(line) and rng.random() < 0.5:
            canvas.glaze(blur(polygon(SIDE, line).ink, 2) * rng.uniform(0.1, 0.6), vary(pick(rng, CLOTHS), rng).array * 0.6)
    canvas.glaze(rough(layer, noise(rng, SIDE, 0.7), 0.25), ink)
    return canvas.picture


def _oil(lines: Lines, rng: np.random.Generator) -> np.ndarray:
    """Areas and broad lines of colour, gone over with a bristle brush."""
    grounds = [vary(pick(rng, CLOTHS), rng).array * rng.uniform(0.4, 1.1) for _ in range(2)]
    fade = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None] ** rng.uniform(0.5, 3)
    canvas = Canvas(grounds[0] + (grounds[1] - grounds[0]) * np.broadcast_to(fade, (SIDE, SIDE, 3)) + noise(rng, SIDE, 64)[..., None] * 9)
    for line in lines:
        layer = polygon(SIDE, line) if _is_area(line) else blank(SIDE)
        draw_line(layer, line, Pen(rng.uniform(3, 12)), rng)
        canvas.lay(layer, vary(pick(rng, CLOTHS), rng).array * rng.uniform(0.5, 1.1))
    _brushed(canvas.picture, rng)
    return canvas.picture


def _brushed(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Go over a picture with a bristle brush, in place."""
    wide = rng.uniform(4, 11)
    count = int(2.5 * UNITS**2 / (2.2 * wide * wide))
    place = rng.random((count, 2)) * UNITS
    x, y = (place * SIDE / UNITS).astype(int).T
    way = 1.5 * noise(rng, SIDE, 60)[y, x] + rng.normal(0, 0.25, count)
    colour = picture[y, x] * np.exp(rng.normal(0, 0.05, (count, 1))) + rng.normal(0, 5, (count, 3))
    dabs = Dabs(
        place=place,
        angle=way,
        length=wide * rng.uniform(1.8, 3.6, count),
        width=wide * rng.uniform(0.7, 1.2, count),
        bend=rng.normal(0, 0.12, count),
        colour=colour,
        area=np.full(count, 255, np.uint8),
    )
    lay_dabs(picture, np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.uint8), dabs, 0.8, rng)


MATERIALS = (_pens, _charcoal, _crayons, _ink, _oil)
