"""Stick figure: a line for each bone, a circle for the head, on any scrap of paper or board."""

from itertools import pairwise

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import palette, paper, primitives
from stages.sketches.drawing.anatomy import footing_of, head_of
from stages.sketches.drawing.canvas import Canvas
from stages.sketches.drawing.colour import noise, polygon, rough
from stages.sketches.drawing.face import choose_features, draw_face
from stages.sketches.drawing.layer import UNITS, Layer, blank
from stages.sketches.drawing.pen import Pen, arc, draw_dot, draw_line

Options = dict[str, str]
Limb = tuple[int, ...]


def paint(figure: Figure, turn: np.ndarray | None, options: Options, rng: np.random.Generator, size: int) -> tuple[Canvas, str]:
    """The picture of a figure and a phrase for it; turn (3, 3): the head's rotation, where known."""
    canvas, colour, bite = _sheet_and_tool(options["sheet"], rng, size)
    pen = Pen(rng.uniform(1.6, 5.5), 0.15, rng.choice([0, 0.08]), 0.7, rng.uniform(0.2, 0.9))
    layer = blank(size)
    radius = primitives.head_radius(figure, rng.uniform(0.95, 1.25))
    behind, before = _by_depth(figure)
    hips = figure.joints16_2d[[8, 11]].mean(0)
    draw_line(layer, primitives.bowed(figure.joints16_2d[1], hips, 0.02, rng), pen, rng)
    for limb in behind:
        _limb(layer, figure, limb, pen, options, rng)
    layer = layer.within(1 - polygon(size, arc(figure.joints16_2d[0], radius)).ink)
    _neck_and_circle(layer, figure, radius, options["head"] == "solid", pen, rng)
    if has_face(options):
        head = primitives.round_head(head_of(figure, turn), radius, rng.random() < 0.5)
        draw_face(layer, head, choose_features(rng), Pen(max(1.0, min(pen.width * 0.7, 0.16 * radius)), 0.1, 0.1, 0.6, 0.1), rng)
    cut = primitives.hair(layer, figure, figure.joints16_2d[0], radius, pen, rng) if options["hair"] == "hair" else ""
    for limb in before:
        _limb(layer, figure, limb, pen, options, rng)
    if options["floor"] == "line":
        _floor(layer, figure, pen, rng)
    canvas.lay(rough(layer, noise(rng, size, 0.6), bite), colour)
    return canvas, phrase(options, cut)


def has_face(options: Options) -> bool:
    """Whether its head has one."""
    return options["face"] == "face" and options["head"] == "circle"


def phrase(options: Options, hair: str) -> str:
    """What such a figure looks like; hair: how it wears it, empty for none."""
    words = [name for name in ("hands", "feet") if options[name] != "none"]
    words += ["a face"] if has_face(options) else []
    words += [hair] if hair else []
    return "a stick figure" + (" with " + ", ".join(words) if words else "")


def _sheet_and_tool(kind: str, rng: np.random.Generator, size: int) -> tuple[Canvas, np.ndarray, float]:
    """Paper, ruled paper or a board, and a colour that shows on it."""
    pen = palette.vary(palette.pick(rng, palette.PENS), rng, 0.03).array
    if kind == "board":
        green = (38, 66, 52) if rng.random() < 0.6 else (44, 46, 50)
        chalk = np.array([(244, 244, 236), (248, 224, 120), (246, 176, 190), (170, 214, 240)][int(rng.integers(4))], np.float32)
        return Canvas(paper.plain(rng, size, green, 2, 4)), chalk, 0.6
    tint = (253, 253, 252) if kind == "white" else np.array([rng.uniform(236, 252), rng.uniform(232, 248), rng.uniform(214, 244)])
    sheet = paper.plain(rng, size, tint, 1.0, 1.0)
    if kind in ("ruled", "squared"):
        paper.ruled(sheet, rng, kind == "squared")
    return Canvas(sheet), pen, float(rng.choice([0.05, 0.35, 0.7]))


def _by_depth(figure: Figure) -> tuple[list[Limb], list[Limb]]:
    """The four limbs: those behind the head, which hides them, and those before it."""
    head = figure.joints16[0, 2]
    limbs: list[Limb] = [*primitives.ARMS, *primitives.LEGS]
    near = [figure.joints16[list(limb), 2].min() < head for limb in limbs]
    return [limb for limb, n in zip(limbs, near, strict=True) if not n], [limb for limb, n in zip(limbs, near, strict=True) if n]


def _limb(layer: Layer, figure: Figure, limb: Limb, pen: Pen, options: Options, rng: np.random.Generator) -> None:
    """An arm from the neck or a leg from between the hips, in one go or bone by bone, with a hand or a foot if there are any."""
    joints, leg = figure.joints16_2d, limb in primitives.LEGS
    points = np.stack([joints[[8, 11]].mean(0) if leg else joints[1], *joints[list(limb)]])
    if options["limbs"] == "one go":
        draw_line(layer, primitives.rounded(points), pen, rng)
    for a, b in pairwise(points) if options["limbs"] != "one go" else ():
        draw_line(layer, primitives.bowed(a, b, 0.03, rng), pen, rng)
    if leg and options["feet"] == "feet":
        draw_line(layer, primitives.bowed(points[-1], joints[primitives.TOES[limb[-1]]], 0.03, rng), pen, rng)
    if not leg and options["hands"] == "fingers":
        primitives.hand(layer, figure, primitives.ARMS.index(limb), pen, rng)
    if not leg and options["hands"] == "dots":
        draw_dot(layer, points[-1], 1.1 * pen.width)


def _neck_and_circle(layer: Layer, figure: Figure, radius: float, solid: bool, pen: Pen, rng: np.random.Generator) -> None:
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


def _floor(layer: Layer, figure: Figure, pen: Pen, rng: np.random.Generator) -> None:
    height = min(UNITS - 2.0, footing_of(figure.part > 0).low + 2.5)
    left = np.array([rng.uniform(0.02, 0.25) * UNITS, height])
    right = np.array([rng.uniform(0.75, 0.98) * UNITS, height + rng.normal(0, 1.5)])
    draw_line(layer, primitives.bowed(left, right, 0.01, rng), Pen(0.7 * pen.width, 0.2, 0.05, 0.5, pen.wobble), rng)
