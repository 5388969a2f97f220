"""A child's drawing: wobbly shapes, a big head, wax crayon scribbled inside and past the lines, a sun or a house."""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import clutter, paper, primitives
from stages.sketches.drawing.anatomy import head_of
from stages.sketches.drawing.canvas import Canvas
from stages.sketches.drawing.colour import noise, polygon, rough
from stages.sketches.drawing.face import choose_features, draw_face
from stages.sketches.drawing.hatching import scribble
from stages.sketches.drawing.layer import UNITS, blank
from stages.sketches.drawing.overlap import HEAD, TRUNK, Piece, in_order
from stages.sketches.drawing.palette import CRAYONS, SKINS, Paint, far_from, pick
from stages.sketches.drawing.pen import Pen, arc, draw_line, resample, smooth
from stages.sketches.drawing.wardrobe import with_articles

_LIMBS = {"tubes": "thick limbs", "lines": "thin limbs"}
_FILL = {"scribble": "scribbled colours", "flat": "flat colours", "none": "no colours"}
_HEAD = (1.15, 1.5)  # radii of the skull that a child's head has, at least and at most


@dataclass(frozen=True)
class Box:
    """The crayons of one child: the pen, its outline colour, the paper's tooth (H, W), the sheet before drawing, how shapes are filled."""

    pen: Pen
    line: Paint
    tooth: np.ndarray
    sheet: np.ndarray
    fill: str  # scribble, flat, none
    angle: float


@dataclass(frozen=True)
class Wear:
    """Arms and legs: how wide in units, whether tubes or thick lines, the colours of both."""

    wide: float
    tubes: bool
    arms: Paint
    legs: Paint


def paint(figure: Figure, turn: np.ndarray | None, options: dict[str, str], rng: np.random.Generator, size: int) -> tuple[Canvas, str]:
    """The picture of a figure and a phrase for it; turn (3, 3): the head's rotation, where known."""
    tint = (rng.uniform(244, 254), rng.uniform(242, 252), rng.uniform(230, 250)) if options["sheet"] == "white" else (228, 214, 188)
    canvas = Canvas(paper.plain(rng, size, tint, 1.5, 2.0))
    box = _open_box(canvas.picture.copy(), options["fill"], rng)
    extras = clutter.add(canvas, figure, box, options, rng)
    top = far_from(rng, CRAYONS, [box.line])
    bottom = far_from(rng, CRAYONS, [box.line, top])
    dress = options["garment"] == "dress" and legs_down(figure)
    wear, hair = _choose_wear(figure, top, bottom, dress, options["limbs"] == "tubes", rng), []
    for piece in in_order(figure, primitives.head_radius(figure, _HEAD[1])):
        if piece == HEAD:
            radius = primitives.head_radius(figure, rng.uniform(*_HEAD))
            hair = _head(canvas, figure, turn, radius, box, options["hair"] == "hair", rng)
        elif piece == TRUNK:
            _shape(canvas, _torso(figure, wear.wide, dress, rng), top, box, rng)
        else:
            _limb(canvas, figure, piece, wear, box, rng)
    colours = ("", "") if options["capture"] == "grey scan" else (f"{top.name} ", f"{bottom.name} ")
    return canvas, phrase(options, dress, colours, [*hair, *extras])


def phrase(options: dict[str, str], dress: bool, colours: tuple[str, str], more: list[str]) -> str:
    """What a figure in a dress, or in top and trousers, of these colours looks like; more: its hair, and what stands around."""
    clothes = f"in a {colours[0]}dress" if dress else f"with a {colours[0]}top, {colours[1]}trousers"
    drawn = [_LIMBS[options["limbs"]], _FILL[options["fill"]]]
    return with_articles("a figure " + ", ".join([clothes, *more, *drawn]))


def line_colour(rng: np.random.Generator) -> Paint:
    """The crayon that a child takes for outlines: mostly black."""
    return pick(rng, CRAYONS) if rng.random() < 0.4 else CRAYONS[-1]


def _open_box(sheet: np.ndarray, fill: str, rng: np.random.Generator) -> Box:
    line = line_colour(rng)
    pen = Pen(rng.uniform(2.2, 4.5), 0.3, 0.03, 0.8, rng.uniform(0.7, 1.5), 1.0)
    tooth = 0.8 * noise(rng, len(sheet), 0.8) + 0.7 * noise(rng, len(sheet), 1.6)
    return Box(pen, line, tooth, sheet, fill, float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)))


def _choose_wear(figure: Figure, top: Paint, bottom: Paint, dress: bool, tubes: bool, rng: np.random.Generator) -> Wear:
    torso = max(float(np.linalg.norm(figure.joints16_2d[1] - figure.joints16_2d[[8, 11]].mean(0))), 0.14 * UNITS)
    wide = torso * rng.uniform(0.1, 0.17)
    skin = pick(rng, SKINS) if rng.random() < 0.6 else top
    return Wear(wide, tubes, top if tubes else skin, skin if dress else bottom)


def legs_down(figure: Figure) -> bool:
    """Whether a dress would hang over both legs."""
    joints = figure.joints16_2d * (UNITS / figure.size)
    knees, hips = joints[[9, 12], 1], joints[[8, 11], 1]
    return bool((knees - hips).min() > 15 and np.ptp(joints[[9, 12], 0]) < 77)


def _torso(figure: Figure, wide: float, dress: bool, rng: np.random.Generator) -> np.ndarray:
    """The outline (N, 2) of the trunk: shoulders to hips, or a triangle to the knees."""
    joints = figure.joints16_2d
    left, right, low_left, low_right = joints[5], joints[2], joints[11], joints[8]
    across = (left - right) / (np.linalg.norm(left - right) + 1e-6)
    if dress:
        share = rng.uniform(0.4, 0.8)
        low_left, low_right = low_left + share * (joints[12] - low_left), low_right + share * (joints[9] - low_right)
    spread = wide * (rng.uniform(1.2, 2.0) if dress else rng.uniform(0.7, 1.1))
    corners = [joints[1], left + across * 0.4 * wide, low_left + across * spread, low_right - across * spread, right - across * 0.4 * wide]
    hull = cv2.convexHull(np.array(corners, np.float32))[:, 0]
    outline = smooth(resample(np.concatenate([hull, hull[:1]]), 3)[:-1], int(rng.integers(1, 8)), closed=True)
    return np.concatenate([outline, outline[:1]])


def _limb(canvas: Canvas, figure: Figure, chain: Piece, wear: Wear, box: Box, rng: np.random.Generator) -> None:
    """An arm or leg as a tube or one thick line, with a hand or a shoe at its end."""
    joints, leg = figure.joints16_2d, chain in primitives.LEGS
    path, wide, colour = primitives.rounded(joints[list(chain)]), 1.2 * wear.wide if leg else wear.wide, wear.legs if leg else wear.arms
    if wear.tubes:
        for outline in _tube(path, wide):
            _shape(canvas, outline, colour, box, rng)
    else:
        pen = Pen(max(box.pen.width, 0.7 * wide), 0.25, 0.02, 0.9, box.pen.wobble)
        _wax(canvas, [path], pen, colour if box.fill != "none" else box.line, box, rng)
    if leg:
        _shoe(canvas, joints[chain[-1]], joints[primitives.TOES[chain[-1]]], wide, box, rng)
    else:
        fingers = blank(canvas.size)
        primitives.hand(fingers, figure, primitives.ARMS.index(chain), box.pen, rng)
        canvas.glaze(rough(fingers, box.tooth, 0.5), box.line.array)


def _tube(path: np.ndarray, wide: float) -> list[np.ndarray]:
    """The outline (N, 2) around a path; none where it lies outside the picture."""
    layer = blank(UNITS)
    layer.stamp(path, np.full(len(path), wide), np.ones(len(path)))
    contours, _ = cv2.findContours((layer.ink > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [smooth(contour[:, 0] + 0.5, 4, closed=True) for contour in contours[:1]]


def _wax(canvas: Canvas, lines: list[np.ndarray], pen: Pen, colour: Paint, box: Box, rng: np.random.Generator) -> None:
    layer = blank(canvas.size)
    for line in lines:
        draw_line(layer, line, pen, rng)
    canvas.glaze(rough(layer, box.tooth, 0.5), colour.array)


def _shoe(canvas: Canvas, ankle: np.ndarray, toe: np.ndarray, wide: float, box: Box, rng: np.random.Generator) -> None:
    way = toe - ankle
    length = max(float(np.linalg.norm(way)), 1.2 * wide)
    way = way / (np.linalg.norm(way) + 1e-6)
    side = np.array([-way[1], way[0]])
    ring = arc(np.zeros(2), 1, count=24)
    oval = ankle + way * length * 0.5 + ring[:, :1] * way * length * 0.62 + ring[:, 1:] * side * 0.75 * wide
    _shape(canvas, oval, box.line, box, rng)


def _shape(canvas: Canvas, outline: np.ndarray, colour: Paint, box: Box, rng: np.random.Generator) -> None:
    """Fill an outline (N, 2) with crayon and go round it once more in the colour of lines."""
    inside = polygon(canvas.size, outline)
    canvas.lay(inside * 0.92, box.sheet)  # wax covers what lies under it, nearly
    if box.fill == "scribble":
        fill = blank(canvas.size)
        pen = Pen(0.8 * box.pen.width, 0.3, 0.0, 1, box.pen.wobble, 0.95)
        area = polygon(UNITS, outline).ink > 0.5
        scribble(fill, area, box.angle + rng.normal(0, 0.15), 1.15 * box.pen.width, pen, rng)
        canvas.glaze(rough(fill, box.tooth, 0.75, 0.9), colour.array)
    elif box.fill == "flat":
        canvas.glaze(rough(inside * 0.8, box.tooth, 0.75, 0.9), colour.array)
    _wax(canvas, [np.concatenate([outline, outline[:3]])], box.pen, box.line if box.fill != "none" else colour, box, rng)


def _head(
    canvas: Canvas, figure: Figure, turn: np.ndarray | None, radius: float, box: Box, hairy: bool, rng: np.random.Generator
) -> list[str]:
    """A big round head with a face and hair; its centre is the skull's."""
    centre = figure.joints16_2d[0]
    round_one = primitives.loop(centre, radius, rng)
    inside = polygon(canvas.size, round_one)
    canvas.lay(inside, box.sheet)
    if rng.random() < 0.6 and box.fill != "none":
        canvas.glaze(rough(inside * 0.6, box.tooth, 0.7), pick(rng, SKINS).array)
    marks, words = blank(canvas.size), []
    pen = Pen(max(0.7 * box.pen.width, 0.12 * radius), 0.2, 0.05, 0.7, 0.3)
    draw_face(marks, primitives.round_head(head_of(figure, turn), radius, rng.random() < 0.7), choose_features(rng), pen, rng)
    if hairy:
        mane = blank(canvas.size)
        words = [primitives.hair(mane, figure, centre, radius, box.pen, rng)]
        canvas.glaze(rough(mane, box.tooth, 0.5), pick(rng, (CRAYONS[1], CRAYONS[2], CRAYONS[8], CRAYONS[9], CRAYONS[0])).array)
    draw_line(marks, round_one, box.pen, rng)
    canvas.glaze(rough(marks, box.tooth, 0.4), box.line.array)
    return words
