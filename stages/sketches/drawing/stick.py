"""Stick figure: a line for each bone, a circle for the head, on any scrap of paper or board."""

from itertools import pairwise

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import palette, paper, primitives
from stages.sketches.drawing.anatomy import footing_of, head_of
from stages.sketches.drawing.colour import blank, lay, noise, rough
from stages.sketches.drawing.face import choose_features, draw_face
from stages.sketches.drawing.pen import Pen, draw_dot, draw_line


def paint(figure: Figure, turn: np.ndarray | None, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """The picture (size, size, 3) float32 of a figure and a phrase for it; turn (3, 3): the head's rotation, where known."""
    size, unit = figure.size, figure.size / 256
    picture, colour, bite = _sheet_and_tool(rng, size)
    pen = Pen(rng.uniform(1.6, 5.5) * unit, 0.15, rng.choice([0, 0.08]), 0.7, rng.uniform(0.2, 0.9) * unit)
    layer, words = blank(size), []
    _bones(layer, figure.joints16_2d, pen, rng)
    words += _ends(layer, figure, pen, rng)
    radius = primitives.head_radius(figure, rng.uniform(0.95, 1.25))
    centre = figure.joints16_2d[0]
    solid = rng.random() < 0.12
    _neck_and_circle(layer, figure, radius, solid, pen, rng)
    if not solid and rng.random() < 0.6:
        head = primitives.round_head(head_of(figure, turn), radius, rng.random() < 0.5)
        draw_face(layer, head, choose_features(rng), Pen(max(1.0 * unit, min(pen.width * 0.7, 0.16 * radius)), 0.1, 0.1, 0.6, 0.1), rng)
        words.append("a face")
    if rng.random() < 0.4:
        words.append(primitives.hair(layer, figure, centre, radius, pen, rng))
    if rng.random() < 0.35:
        _floor(layer, figure, pen, rng)
    lay(picture, rough(layer, noise(rng, size, 0.6 * unit), bite), colour)
    return picture, "a stick figure" + (" with " + ", ".join(words) if words else "")


def _sheet_and_tool(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Paper, ruled paper, a whiteboard or a blackboard, and a colour that shows on it."""
    kind = rng.choice(["white", "tint", "ruled", "squared", "board"], p=[0.36, 0.24, 0.14, 0.12, 0.14])
    pen = palette.vary(palette.pick(rng, palette.PENS), rng, 0.03).array
    if kind == "board":
        green = (38, 66, 52) if rng.random() < 0.6 else (44, 46, 50)
        chalk = np.array([(244, 244, 236), (248, 224, 120), (246, 176, 190), (170, 214, 240)][int(rng.integers(4))], np.float32)
        return paper.plain(rng, size, green, 2, 4), chalk, 0.6
    tint = (253, 253, 252) if kind == "white" else np.array([rng.uniform(236, 252), rng.uniform(232, 248), rng.uniform(214, 244)])
    sheet = paper.plain(rng, size, tint, 1.0, 1.0)
    if kind in ("ruled", "squared"):
        paper.ruled(sheet, rng, kind == "squared")
    return sheet, pen, float(rng.choice([0.05, 0.35, 0.7]))


def _bones(layer: np.ndarray, joints: np.ndarray, pen: Pen, rng: np.random.Generator) -> None:
    """Spine, shoulders and hips as lines; limbs drawn in one go or bone by bone."""
    hips = (joints[8] + joints[11]) / 2
    draw_line(layer, primitives.bowed(joints[1], hips, 0.02, rng), pen, rng)
    one_go = rng.random() < 0.5
    for side in (0, 1):
        for root, chain in ((joints[1], primitives.ARMS[side]), (hips, primitives.LEGS[side])):
            points = np.stack([root, *joints[list(chain)]])
            if one_go:
                draw_line(layer, primitives.rounded(points), pen, rng)
                continue
            for a, b in pairwise(points):
                draw_line(layer, primitives.bowed(a, b, 0.03, rng), pen, rng)


def _ends(layer: np.ndarray, figure: Figure, pen: Pen, rng: np.random.Generator) -> list[str]:
    """Feet as lines to the toes, hands as dots or three fingers, or neither."""
    joints, words = figure.joints16_2d, []
    if rng.random() < 0.75:
        for ankle, toe in primitives.TOES.items():
            draw_line(layer, primitives.bowed(joints[ankle], joints[toe], 0.03, rng), pen, rng)
        words.append("feet")
    kind = rng.choice(["none", "dots", "fingers"], p=[0.45, 0.3, 0.25])
    for side in (0, 1) if kind != "none" else ():
        if kind == "fingers":
            primitives.hand(layer, figure, side, pen, rng)
        else:
            draw_dot(layer, joints[primitives.ARMS[side][-1]], 1.1 * pen.width)
    return words if kind == "none" else ["hands", *words]


def _neck_and_circle(layer: np.ndarray, figure: Figure, radius: float, solid: bool, pen: Pen, rng: np.random.Generator) -> None:
    """The circle lies on the skull's centre; the neck ends at its rim."""
    centre, neck = figure.joints16_2d[:2]
    away = neck - centre
    distance = float(np.linalg.norm(away))
    if distance > radius:
        draw_line(layer, np.stack([neck, centre + away / distance * radius]), pen, rng)
    if solid:
        draw_dot(layer, centre, radius)
        return
    draw_line(layer, primitives.loop(centre, radius, rng), pen, rng)


def _floor(layer: np.ndarray, figure: Figure, pen: Pen, rng: np.random.Generator) -> None:
    size, low = figure.size, footing_of(figure.part > 0).low
    height = min(size - 2.0, low + 0.01 * size)
    left = np.array([rng.uniform(0.02, 0.25) * size, height])
    right = np.array([rng.uniform(0.75, 0.98) * size, height + rng.normal(0, 0.006) * size])
    draw_line(layer, primitives.bowed(left, right, 0.01, rng), Pen(0.7 * pen.width, 0.2, 0.05, 0.5, pen.wobble), rng)
