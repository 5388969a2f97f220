"""Cartoon: clean lines, flat colours, a hint of shadow, a face."""

import numpy as np

from stages.sketches.drawing import lines
from stages.sketches.drawing.canvas import Canvas
from stages.sketches.drawing.colour import blur, noise, polygon, soft
from stages.sketches.drawing.dressed import Dressed
from stages.sketches.drawing.enlarged import enlarged
from stages.sketches.drawing.face import Features, choose_features, draw_face
from stages.sketches.drawing.layer import UNITS, Layer, blank
from stages.sketches.drawing.palette import shade
from stages.sketches.drawing.pen import Pen, arc, draw_dot, draw_line

_GROUNDS = (
    (255, 255, 255), (252, 246, 232), (222, 240, 248), (253, 228, 214),
    (228, 242, 222), (240, 232, 248), (255, 241, 190), (196, 222, 226),
)  # fmt: skip
_INKS = ((25, 22, 28), (25, 22, 28), (60, 35, 30), (30, 35, 70))
_SHADING = {"flat": 0.0, "light": 0.16, "deep": 0.25}


def paint(figure: Dressed, options: dict[str, str], rng: np.random.Generator, size: int) -> tuple[Canvas, str]:
    """The picture of a dressed figure and a phrase for it."""
    canvas, large = _ground(figure, options, rng, size), enlarged(figure, size)
    canvas.lay(soft(large.mask, 0.5), _fills(large, _SHADING[options["shading"]], rng))
    for region in np.unique(figure.region[figure.mask]):
        canvas.record_area(figure.region == region, figure.palette[region])
    pen = Pen(rng.uniform(1.3, 3.0), swell=rng.uniform(0.05, 0.3), taper=0.12, tip=0.45, wobble=rng.uniform(0, 0.35))
    layer = blank(size)
    for line in lines.trace(figure, 4):
        if len(line.points) > (5 if line.edge else 8):
            draw_line(layer, line.points, pen if line.edge else _thin(pen), rng)
    _face(canvas, layer, figure, soft(large.piece == lines.HEAD, 0.5), options["face"], pen, rng)
    canvas.lay(layer, _INKS[int(rng.integers(len(_INKS)))])
    return canvas, figure.look.words(coloured=options["capture"] != "grey scan")


def _thin(pen: Pen) -> Pen:
    return Pen(0.7 * pen.width, pen.swell, pen.taper, pen.tip, pen.wobble)


def _fills(figure: Dressed, depth_of_shadow: float, rng: np.random.Generator) -> np.ndarray:
    """Flat colours, with a shadow of hard edge on the side away from the light."""
    flat = blur(figure.palette[figure.region], 0.5)
    if not depth_of_shadow:
        return flat
    light = np.array([rng.choice([-1, 1]) * rng.uniform(0.5, 0.9), -0.5, -0.5])
    lit = blur(figure.normal, 2.3) @ light
    shadow = soft(lit < rng.uniform(-0.15, 0.1), 0.6)
    return flat + (shade(flat, depth_of_shadow) - flat) * shadow[..., None]


def _face(canvas: Canvas, layer: Layer, figure: Dressed, bare: np.ndarray, kind: str, pen: Pen, rng: np.random.Generator) -> None:
    """Blush, eyes and marks, where the head is not covered: bare (size, size)."""
    face, head = choose_features(rng), figure.head
    if kind == "none":
        return
    if face.blush:
        _cheeks(canvas, bare, figure)
    wide = kind == "wide" and head.radius > 9
    if wide:
        _wide_eyes(canvas, bare, figure, face, pen, rng)
    marks = blank(canvas.size)
    draw_face(marks, head, face, Pen(max(0.9, min(0.8 * pen.width, 0.14 * head.radius)), 0.1, 0.2, 0.5, 0), rng, eyes=not wide)
    layer.merge(marks.within(bare))


def _cheeks(canvas: Canvas, bare: np.ndarray, figure: Dressed) -> None:
    for side in (-1, 1):
        if figure.head.sees_viewer(side * 0.5, -0.25) > 0.3:
            spot = blank(canvas.size)
            draw_dot(spot, figure.head.on(side * 0.5, -0.25), 0.17 * figure.head.radius, 0.5)
            canvas.lay(spot.within(bare), (232, 110, 100))


def _wide_eyes(canvas: Canvas, bare: np.ndarray, figure: Dressed, face: Features, pen: Pen, rng: np.random.Generator) -> None:
    """Eyes with a white, a pupil that looks ahead."""
    head, size = figure.head, canvas.size
    for side in (-1, 1):
        if head.sees_viewer(side * face.spacing, face.height) < 0.3:
            continue
        turn = np.linspace(0, 2 * np.pi, 20)[:-1]
        rim = np.stack([head.on(side * face.spacing + 0.19 * np.cos(t), face.height + 0.2 * np.sin(t)) for t in turn])
        canvas.lay(polygon(size, rim).within(bare), (252, 252, 250))
        marks = blank(size)
        draw_line(marks, np.concatenate([rim, rim[:1]]), Pen(max(0.7, 0.4 * pen.width), 0, 0, 1, 0), rng)
        draw_dot(marks, head.on(side * face.spacing * 0.95, face.height - 0.02), max(0.8, 0.09 * head.radius))
        canvas.lay(marks.within(bare), (30, 26, 30))


def _ground(figure: Dressed, options: dict[str, str], rng: np.random.Generator, size: int) -> Canvas:
    """White or a tint; sometimes a disc or a floor behind, often a shadow under the feet."""
    picture = np.empty((size, size, 3), np.float32)
    picture[:] = np.array(_GROUNDS[int(rng.integers(len(_GROUNDS)))], np.float32)
    canvas, footing = Canvas(picture), figure.footing
    plain, tint = picture[0, 0].copy(), np.clip(picture[0, 0] * rng.uniform(0.82, 0.95, 3), 0, 255)
    if options["ground"] == "disc":
        middle = np.array([footing.middle, footing.low - 0.4 * UNITS]) + rng.normal(0, 15, 2)
        canvas.lay(polygon(size, arc(middle, rng.uniform(0.28, 0.42) * UNITS, count=90)), tint)
    if options["ground"] == "floor":
        left, right = footing.low + 2.5 - rng.uniform(0, 25, 2)
        canvas.lay(polygon(size, np.array([[-1, left], [UNITS + 1, right], [UNITS + 1, UNITS + 1], [-1, UNITS + 1]])), tint)
    if options["ground"] == "speckle":
        canvas.lay(soft(noise(rng, size, 6.4) > 1.7, 0.6), tint)
    if options["shadow"] == "cast":
        centre = np.array([footing.middle, footing.low - 0.8])
        canvas.lay(polygon(size, centre + arc(np.zeros(2), 1) * [footing.half + 10, 5.6]), shade(plain, 0.25))
    return canvas
