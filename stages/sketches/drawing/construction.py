"""Construction: the figure built of eggs, boxes and cylinders, as it is taught, with a firmer contour over it now and then."""

from itertools import pairwise

import numpy as np

from stages.body.camera import project
from stages.body.figure import Figure
from stages.sketches.drawing import lines, primitives
from stages.sketches.drawing.anatomy import HIPS, NECK, PELVIS, SHOULDERS, Head
from stages.sketches.drawing.dressed import Dressed
from stages.sketches.drawing.layer import Layer, blank
from stages.sketches.drawing.pen import Pen, arc, draw_line

CLOTHED = 0.4  # of the drawings have a contour round the dressed figure
_FACES = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6))  # of a box: back and front, bottom and top


def sketch(figure: Dressed, rng: np.random.Generator, size: int) -> tuple[Layer, bool]:
    """The strokes of a construction drawing, and whether they go round the clothes."""
    layer, body = blank(size), figure.body
    pen = Pen(rng.uniform(0.8, 1.6), 0.3, 0.15, 0.5, 0.35, rng.uniform(0.6, 0.9))
    for shape in (*_trunk(body, bool(rng.random() < 0.5)), *_head(figure.head)):
        _twice(layer, shape, pen, rng)
    for limb in (*primitives.ARMS, *primitives.LEGS):
        for shape in _limb(body, limb):
            _twice(layer, shape, pen, rng)
    for side in (0, 1):
        _twice(layer, _hand(body, side), pen, rng)
        _twice(layer, _foot(body, side), pen, rng)
    clothed = bool(rng.random() < CLOTHED)
    if clothed:
        _contour(layer, figure, Pen(1.6 * pen.width, 0.5, 0.3, 0.3, 0.4, 1.0, 0.1), rng)
    return layer, clothed


def _twice(layer: Layer, shape: np.ndarray, pen: Pen, rng: np.random.Generator) -> None:
    for _ in range(1 + int(rng.random() < 0.5)):
        draw_line(layer, shape + rng.normal(0, 0.5, 2), pen, rng)


def _contour(layer: Layer, figure: Dressed, pen: Pen, rng: np.random.Generator) -> None:
    for line in lines.trace(figure, 6):
        if line.edge and len(line.points) > 12:
            draw_line(layer, line.points, pen, rng)


def _trunk(body: Figure, boxes: bool) -> list[np.ndarray]:
    """Rib cage and pelvis as two boxes, or as an egg and a box, and the spine between them."""
    up, left, front = _axes(body)
    chest = body.joints[[9, *SHOULDERS]].mean(0) - 0.02 * up
    span = float(np.linalg.norm(body.joints[SHOULDERS[0]] - body.joints[SHOULDERS[1]]))
    high = 0.3 * float(np.linalg.norm(body.joints[NECK] - body.joints[PELVIS]))
    half = np.array([0.42 * span, high, 0.28 * span])
    axes = np.stack([left, up, front])
    pelvis = _box(body, body.joints[[PELVIS, *HIPS]].mean(0), axes, np.array([0.36, 0.25, 0.24]) * span)
    spine = project(body.joints[[NECK, 9, 6, 3, PELVIS]], body.camera_K)
    return [*(_box(body, chest, axes, half) if boxes else _egg(body, chest, axes, half)), *pelvis, spine]


def _axes(body: Figure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors up the trunk, to its left and to its front."""
    up = body.joints[NECK] - body.joints[PELVIS]
    up = up / np.linalg.norm(up)
    left = body.joints[[SHOULDERS[1], HIPS[1]]].sum(0) - body.joints[[SHOULDERS[0], HIPS[0]]].sum(0)
    left = left - up * (left @ up)
    left = left / (np.linalg.norm(left) + 1e-9)
    return up, left, np.cross(left, up)


def _box(body: Figure, centre: np.ndarray, axes: np.ndarray, half: np.ndarray) -> list[np.ndarray]:
    corners = np.array([[x, y, z] for z in (1, -1) for y in (-1, 1) for x in (-1, 1)]) * half
    seen = project(centre + corners @ axes, body.camera_K)
    return [seen[[*face, face[0]]] for face in _FACES]


def _egg(body: Figure, centre: np.ndarray, axes: np.ndarray, half: np.ndarray) -> list[np.ndarray]:
    """Three great circles of an ellipsoid: an egg one sees the roundness of."""
    ring = np.stack([np.cos(np.linspace(0, 2 * np.pi, 36)), np.sin(np.linspace(0, 2 * np.pi, 36))], 1) * 1.1
    circles = [np.insert(ring, axis, 0.0, axis=1) for axis in (0, 1, 2)]
    return [project(centre + circle * half @ axes, body.camera_K) for circle in circles]


def _head(head: Head) -> list[np.ndarray]:
    """The skull's circle, and on it the middle of the face and the line of the eyes where the viewer sees them."""
    turn = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 24)
    middle = [head.on(0, np.sin(t)) for t in turn if head.sees_viewer(0, np.sin(t)) > 0]
    eyes = [head.on(np.sin(t), 0.05) for t in turn if head.sees_viewer(np.sin(t) * 0.998, 0.05) > 0]
    marks = [np.stack(line) for line in (middle, eyes) if len(line) > 3]
    return [arc(head.place, head.radius * 1.05), *marks]


def _limb(body: Figure, limb: tuple[int, ...]) -> list[np.ndarray]:
    """Each bone as a tapered cylinder, each joint as a ball."""
    joints, thick = body.joints16_2d, primitives.thickness(body, limb)
    shapes = [arc(joints[joint], 0.7 * thick[min(k, 1)], count=20) for k, joint in enumerate(limb[:-1])]
    for k, (a, b) in enumerate(pairwise(limb)):
        way = joints[b] - joints[a]
        length = float(np.linalg.norm(way))
        if length > 1.2 * thick[k]:
            shapes.append(_cylinder(joints[a], way / length, length, thick[k]))
    return shapes


def _cylinder(start: np.ndarray, way: np.ndarray, length: float, thick: float) -> np.ndarray:
    """A closed outline (N, 2): round above, straight sides that taper, round below."""
    side = np.array([-way[1], way[0]])
    turn = np.linspace(0, np.pi, 9)
    above = start - np.sin(turn)[:, None] * way * 0.3 * thick + np.cos(turn)[:, None] * side * thick
    below = start + length * way + np.sin(turn)[:, None] * way * 0.25 * thick - np.cos(turn)[:, None] * side * 0.72 * thick
    return np.concatenate([above, below, above[:1]])


def _hand(body: Figure, side: int) -> np.ndarray:
    """A mitten: a kite from the wrist over the knuckles to the fingertips."""
    wrist, palm = body.joints2d[(21, 20)[side]], body.joints2d[(23, 22)[side]]
    way = palm - wrist
    across = np.array([-way[1], way[0]]) * 0.55
    return np.stack([wrist, palm + across, wrist + 2.2 * way, palm - across, wrist])


def _foot(body: Figure, side: int) -> np.ndarray:
    """A wedge from heel to toes."""
    ankle = body.joints16_2d[(10, 13)[side]]
    toe = body.joints16_2d[(15, 14)[side]]
    way = toe - ankle
    across = np.array([-way[1], way[0]]) * 0.3
    return np.stack([ankle + across, toe + 0.5 * across, toe - 0.5 * across, ankle - across - 0.15 * way, ankle + across])
