"""A child's drawing: wobbly shapes, a big head, wax crayon scribbled inside and past the lines, a sun or a house."""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import clutter, paper, primitives
from stages.sketches.drawing.anatomy import head_of
from stages.sketches.drawing.colour import blank, glaze, lay, noise, polygon, rough
from stages.sketches.drawing.face import choose_features, draw_face
from stages.sketches.drawing.hatching import scribble
from stages.sketches.drawing.palette import CRAYONS, SKINS, Paint, far_from, pick
from stages.sketches.drawing.pen import Pen, arc, draw_line, resample, smooth, stamp
from stages.sketches.drawing.wardrobe import with_articles


@dataclass(frozen=True)
class Box:
    """The crayons of one child: the pen, its outline colour, the paper's tooth (H, W), the sheet before drawing, how shapes are filled."""

    pen: Pen
    line: Paint
    tooth: np.ndarray
    sheet: np.ndarray
    fill: str  # scribble, flat, none
    angle: float


def paint(figure: Figure, turn: np.ndarray | None, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """The picture (size, size, 3) float32 of a figure and a phrase for it; turn (3, 3): the head's rotation, where known."""
    size, unit = figure.size, figure.size / 256
    tint = (rng.uniform(244, 254), rng.uniform(242, 252), rng.uniform(230, 250)) if rng.random() < 0.8 else (228, 214, 188)
    picture = paper.plain(rng, size, tint, 1.5, 2.0)
    box = _open_box(picture.copy(), unit, rng)
    extras = clutter.add(picture, figure, box, rng)
    top = far_from(rng, CRAYONS, [box.line])
    bottom = far_from(rng, CRAYONS, [box.line, top])
    dress = _body(picture, figure, box, top, bottom, rng)
    radius = primitives.head_radius(figure, rng.uniform(1.15, 1.5))
    hair = _head(picture, figure, turn, radius, box, rng)
    words = [f"in a {top.name} dress" if dress else f"with a {top.name} top, {bottom.name} trousers", *hair, *extras]
    return picture, with_articles("a figure " + ", ".join(words))


def _open_box(sheet: np.ndarray, unit: float, rng: np.random.Generator) -> Box:
    line = pick(rng, CRAYONS) if rng.random() < 0.4 else CRAYONS[-1]
    pen = Pen(rng.uniform(2.2, 4.5) * unit, 0.3, 0.03, 0.8, rng.uniform(0.7, 1.5) * unit, 1.0)
    tooth = 0.8 * noise(rng, len(sheet), 0.8 * unit) + 0.7 * noise(rng, len(sheet), 1.6 * unit)
    fill = str(rng.choice(["scribble", "flat", "none"], p=[0.6, 0.25, 0.15]))
    return Box(pen, line, tooth, sheet, fill, float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)))


def _body(picture: np.ndarray, figure: Figure, box: Box, top: Paint, bottom: Paint, rng: np.random.Generator) -> bool:
    """Legs, torso and arms, the far arm before the torso; says whether it is a dress."""
    torso = max(float(np.linalg.norm(figure.joints16_2d[1] - figure.joints16_2d[[8, 11]].mean(0))), 0.14 * figure.size)
    wide = torso * rng.uniform(0.1, 0.17)
    skin = pick(rng, SKINS) if rng.random() < 0.6 else top
    tubes = rng.random() < 0.65
    depth = figure.joints16[[1, 8, 11], 2].mean()
    arms = sorted(primitives.ARMS, key=lambda arm: -figure.joints16[list(arm), 2].mean())
    behind = [arm for arm in arms if figure.joints16[list(arm[1:]), 2].mean() > depth]
    dress = bool(rng.random() < 0.35) and _legs_down(figure)
    legs = skin if dress else bottom
    for arm in behind:
        _limb(picture, figure, arm, wide, tubes, top if tubes else skin, box, rng)
    for leg in sorted(primitives.LEGS, key=lambda leg: -figure.joints16[list(leg), 2].mean()):
        _limb(picture, figure, leg, 1.2 * wide, tubes, legs, box, rng)
    _shape(picture, _torso(figure, wide, dress, rng), top, box, rng)
    for arm in arms:
        if arm not in behind:
            _limb(picture, figure, arm, wide, tubes, top if tubes else skin, box, rng)
    return dress


def _legs_down(figure: Figure) -> bool:
    joints = figure.joints16_2d
    knees, hips = joints[[9, 12], 1], joints[[8, 11], 1]
    return bool((knees - hips).min() > 0.06 * figure.size and np.ptp(joints[[9, 12], 0]) < 0.3 * figure.size)


def _torso(figure: Figure, wide: float, dress: bool, rng: np.random.Generator) -> np.ndarray:
    """The outline (N, 2) px of the trunk: shoulders to hips, or a triangle to the knees."""
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


def _limb(
    picture: np.ndarray, figure: Figure, chain: tuple[int, ...], wide: float, tube: bool, colour: Paint, box: Box, rng: np.random.Generator
) -> None:
    """An arm or leg as a tube or one thick line, with a hand or a shoe at its end."""
    joints, size = figure.joints16_2d, figure.size
    path, leg = primitives.rounded(joints[list(chain)]), chain in primitives.LEGS
    layer = blank(size)
    stamp(layer, path, np.full(len(path), wide if tube else 0.45 * wide), np.ones(len(path)))
    if tube:
        contours, _ = cv2.findContours((layer > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for contour in contours[:1]:  # none where the limb lies outside the picture
            _shape(picture, smooth(contour[:, 0] + 0.5, 4, closed=True), colour, box, rng)
    else:
        line = blank(size)
        draw_line(line, path, Pen(max(box.pen.width, 0.7 * wide), 0.25, 0.02, 0.9, box.pen.wobble), rng)
        glaze(picture, rough(line, box.tooth, 0.6), (colour if box.fill != "none" else box.line).array)
    if leg:
        _shoe(picture, joints[chain[-1]], joints[primitives.TOES[chain[-1]]], wide, box, rng)
    else:
        fingers = blank(size)
        primitives.hand(fingers, figure, primitives.ARMS.index(chain), box.pen, rng)
        glaze(picture, rough(fingers, box.tooth, 0.5), box.line.array)


def _shoe(picture: np.ndarray, ankle: np.ndarray, toe: np.ndarray, wide: float, box: Box, rng: np.random.Generator) -> None:
    way = toe - ankle
    length = max(float(np.linalg.norm(way)), 1.2 * wide)
    way = way / (np.linalg.norm(way) + 1e-6)
    side = np.array([-way[1], way[0]])
    ring = arc(np.zeros(2), 1, count=24)
    oval = ankle + way * length * 0.5 + ring[:, :1] * way * length * 0.62 + ring[:, 1:] * side * 0.75 * wide
    _shape(picture, oval, box.line, box, rng)


def _shape(picture: np.ndarray, outline: np.ndarray, colour: Paint, box: Box, rng: np.random.Generator) -> None:
    """Fill an outline (N, 2) with crayon and go round it once more in the colour of lines."""
    size = len(picture)
    inside = polygon(size, outline)
    lay(picture, inside * 0.92, box.sheet)  # wax covers what lies under it, nearly
    fill = blank(size)
    if box.fill == "scribble":
        pen = Pen(0.8 * box.pen.width, 0.3, 0.0, 1, box.pen.wobble, 0.95)
        scribble(fill, inside > 0.5, box.angle + rng.normal(0, 0.15), 1.15 * box.pen.width, pen, rng)
    elif box.fill == "flat":
        fill = inside * 0.8
    glaze(picture, rough(fill, box.tooth, 0.75) * 0.9, colour.array)
    line = blank(size)
    draw_line(line, np.concatenate([outline, outline[:3]]), box.pen, rng)
    glaze(picture, rough(line, box.tooth, 0.5), (box.line if box.fill != "none" else colour).array)


def _head(picture: np.ndarray, figure: Figure, turn: np.ndarray | None, radius: float, box: Box, rng: np.random.Generator) -> list[str]:
    """A big round head with a face and hair; its centre is the skull's."""
    size, centre = figure.size, figure.joints16_2d[0]
    round_one = primitives.loop(centre, radius, rng)
    lay(picture, polygon(size, round_one), box.sheet)
    if rng.random() < 0.6 and box.fill != "none":
        glaze(picture, rough(polygon(size, round_one) * 0.6, box.tooth, 0.7), pick(rng, SKINS).array)
    marks, line = blank(size), blank(size)
    draw_line(line, round_one, box.pen, rng)
    pen = Pen(max(0.7 * box.pen.width, 0.12 * radius), 0.2, 0.05, 0.7, 0.3)
    draw_face(marks, primitives.round_head(head_of(figure, turn), radius, rng.random() < 0.7), choose_features(rng), pen, rng)
    words = []
    if rng.random() < 0.8:
        mane = blank(size)
        words = [primitives.hair(mane, figure, centre, radius, box.pen, rng)]
        glaze(picture, rough(mane, box.tooth, 0.5), pick(rng, (CRAYONS[1], CRAYONS[2], CRAYONS[8], CRAYONS[9], CRAYONS[0])).array)
    glaze(picture, rough(np.maximum(marks, line), box.tooth, 0.4), box.line.array)
    return words
