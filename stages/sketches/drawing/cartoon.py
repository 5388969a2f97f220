"""Cartoon: clean lines, flat colours, a hint of shadow, a face."""

import numpy as np

from stages.sketches.drawing import lines
from stages.sketches.drawing.anatomy import Footing
from stages.sketches.drawing.colour import blank, blur, lay, noise, polygon, soft
from stages.sketches.drawing.dressed import Dressed
from stages.sketches.drawing.face import Features, choose_features, draw_face
from stages.sketches.drawing.palette import shade
from stages.sketches.drawing.pen import Pen, arc, draw_dot, draw_line

_GROUNDS = (
    (255, 255, 255), (252, 246, 232), (222, 240, 248), (253, 228, 214),
    (228, 242, 222), (240, 232, 248), (255, 241, 190), (196, 222, 226),
)  # fmt: skip
_INKS = ((25, 22, 28), (25, 22, 28), (60, 35, 30), (30, 35, 70))


def paint(figure: Dressed, rng: np.random.Generator) -> np.ndarray:
    """The picture (size, size, 3) float32 of a dressed figure."""
    size = figure.size
    unit, picture = size / 256, _ground(figure, rng)
    lay(picture, soft(figure.mask, 0.5 * unit), _fills(figure, rng))
    pen = Pen(rng.uniform(1.3, 3.0) * unit, swell=rng.uniform(0.05, 0.3), taper=0.12, tip=0.45, wobble=rng.uniform(0, 0.35) * unit)
    layer = blank(size)
    for line in lines.trace(figure.piece, figure.region, figure.depth, max(2, round(4 * unit))):
        if len(line.points) > (5 if line.edge else 8) * unit:
            draw_line(layer, line.points, pen if line.edge else _thin(pen), rng)
    _face(picture, layer, figure, pen, rng)
    lay(picture, layer, _INKS[int(rng.integers(len(_INKS)))])
    return picture


def _thin(pen: Pen) -> Pen:
    return Pen(0.7 * pen.width, pen.swell, pen.taper, pen.tip, pen.wobble)


def _fills(figure: Dressed, rng: np.random.Generator) -> np.ndarray:
    """Flat colours, with a shadow of hard edge on the side away from the light."""
    size, colours = figure.size, figure.palette
    flat = blur(colours[figure.region], 0.5 * size / 256)
    depth_of_shadow = rng.choice([0.0, 0.16, 0.25])
    if not depth_of_shadow:
        return flat
    light = np.array([rng.choice([-1, 1]) * rng.uniform(0.5, 0.9), -0.5, -0.5])
    lit = blur(figure.normal, size / 110) @ light
    shadow = soft(lit < rng.uniform(-0.15, 0.1), 0.6 * size / 256)
    return flat + (shade(flat, depth_of_shadow) - flat) * shadow[..., None]


def _face(picture: np.ndarray, layer: np.ndarray, figure: Dressed, pen: Pen, rng: np.random.Generator) -> None:
    face, head = choose_features(rng), figure.head
    bare = soft(figure.piece == lines.HEAD, 0.5)
    if rng.random() < 0.1:
        return
    if face.blush:
        _cheeks(picture, bare, figure)
    wide = rng.random() < 0.4 and head.radius > 9
    if wide:
        _wide_eyes(picture, bare, figure, face, pen, rng)
    marks = blank(figure.size)
    draw_face(marks, head, face, Pen(max(0.9, min(0.8 * pen.width, 0.14 * head.radius)), 0.1, 0.2, 0.5, 0), rng, eyes=not wide)
    np.maximum(layer, marks * bare, out=layer)


def _cheeks(picture: np.ndarray, bare: np.ndarray, figure: Dressed) -> None:
    for side in (-1, 1):
        if figure.head.sees_viewer(side * 0.5, -0.25) > 0.3:
            spot = blank(figure.size)
            draw_dot(spot, figure.head.on(side * 0.5, -0.25), 0.17 * figure.head.radius, 0.5)
            lay(picture, spot * bare, (232, 110, 100))


def _wide_eyes(picture: np.ndarray, bare: np.ndarray, figure: Dressed, face: Features, pen: Pen, rng: np.random.Generator) -> None:
    """Eyes with a white, a pupil that looks ahead."""
    head, size = figure.head, figure.size
    for side in (-1, 1):
        if head.sees_viewer(side * face.spacing, face.height) < 0.3:
            continue
        turn = np.linspace(0, 2 * np.pi, 20)[:-1]
        rim = np.stack([head.on(side * face.spacing + 0.19 * np.cos(t), face.height + 0.2 * np.sin(t)) for t in turn])
        lay(picture, polygon(size, rim) * bare, (252, 252, 250))
        marks = blank(size)
        draw_line(marks, np.concatenate([rim, rim[:1]]), Pen(max(0.7, 0.4 * pen.width), 0, 0, 1, 0), rng)
        draw_dot(marks, head.on(side * face.spacing * 0.95, face.height - 0.02), max(0.8, 0.09 * head.radius))
        lay(picture, marks * bare, (30, 26, 30))


def _ground(figure: Dressed, rng: np.random.Generator) -> np.ndarray:
    """White or a tint; sometimes a disc or a floor behind, often a shadow under the feet."""
    size = figure.size
    picture = np.empty((size, size, 3), np.float32)
    picture[:] = np.array(_GROUNDS[int(rng.integers(len(_GROUNDS)))], np.float32)
    footing = figure.footing
    floor = footing.low + 0.01 * size
    kind = rng.choice(["none", "disc", "floor", "speckle"], p=[0.45, 0.2, 0.25, 0.1])
    tint = np.clip(picture[0, 0] * rng.uniform(0.82, 0.95, 3), 0, 255)
    if kind == "disc":
        middle = np.array([footing.middle, footing.low - 0.4 * size]) + rng.normal(0, 0.06 * size, 2)
        lay(picture, polygon(size, arc(middle, rng.uniform(0.28, 0.42) * size, count=90)), tint)
    if kind == "floor":
        left, right = floor - rng.uniform(0, 0.1, 2) * size
        lay(picture, polygon(size, np.array([[-1, left], [size + 1, right], [size + 1, size + 1], [-1, size + 1]])), tint)
    if kind == "speckle":
        lay(picture, soft(noise(rng, size, size / 40) > 1.7, 0.6), tint)
    if rng.random() < 0.6:
        lay(picture, _shadow(size, footing), shade(picture, 0.25))
    return picture


def _shadow(size: int, footing: Footing) -> np.ndarray:
    centre = np.array([footing.middle, footing.low - 0.003 * size])
    return polygon(size, centre + arc(np.zeros(2), 1) * [footing.half + 0.04 * size, 0.022 * size])
