"""Gesture: a few sweeping lines that catch the movement, each tried several times, with ovals for the masses."""

from itertools import pairwise

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import primitives
from stages.sketches.drawing.anatomy import Head
from stages.sketches.drawing.dressed import Dressed
from stages.sketches.drawing.layer import Layer, blank
from stages.sketches.drawing.pen import Pen, arc, draw_line, resample, smooth

ASTRAY = 2.5  # units: how far a tried line may lie beside the limb that it follows


def sketch(figure: Dressed, rng: np.random.Generator, size: int) -> Layer:
    """The strokes of a gesture drawing."""
    layer, body = blank(size), figure.body
    pen = Pen(rng.uniform(1.6, 3.4), 0.6, 0.35, 0.3, 0.5, rng.uniform(0.85, 1), 0.04)
    tries = int(rng.integers(3, 6))
    for path in _sweeps(body):
        for k in range(tries):
            _sweep(layer, path, pen if k == 0 else _faint(pen, rng), 0.4 if k == 0 else ASTRAY / 2, rng)
    for oval in _masses(body, figure.head):
        for _ in range(int(rng.integers(1, 4))):
            draw_line(layer, _loop(oval, rng), _faint(pen, rng), rng)
    for limb in (*primitives.ARMS, *primitives.LEGS):
        for flank in _flanks(body, limb):
            _sweep(layer, flank, _faint(pen, rng), 0.7, rng)
        _cross_contours(layer, body, limb, pen, rng)
    return layer


def _faint(pen: Pen, rng: np.random.Generator) -> Pen:
    return Pen(pen.width * rng.uniform(0.55, 0.95), pen.swell, pen.taper, pen.tip, pen.wobble, pen.pressure * rng.uniform(0.5, 0.85))


def _sweeps(body: Figure) -> list[np.ndarray]:
    """Paths (N, 2): from the crown through the trunk into each leg, and from the neck along each arm to the hand."""
    joints, hands = body.joints16_2d, body.joints2d[[23, 22]]
    hips = joints[[8, 11]].mean(0)
    crown = joints[0] + 0.8 * (joints[0] - joints[1])
    trunk = [crown, joints[1], (joints[1] + hips) / 2, hips]
    toes = primitives.TOES
    legs = [np.stack([joints[1], hips, *joints[list(leg)], joints[toes[leg[-1]]]]) for leg in primitives.LEGS]
    arms = [np.stack([joints[1], *joints[list(arm)], hand]) for arm, hand in zip(primitives.ARMS, hands, strict=True)]
    return [np.stack(trunk), *legs, *arms]


def _sweep(layer: Layer, path: np.ndarray, pen: Pen, astray: float, rng: np.random.Generator) -> None:
    """One flowing stroke along the path, its corners rounded, set down and lifted a little past the ends."""
    line = smooth(resample(path + np.clip(rng.normal(0, astray, path.shape), -ASTRAY, ASTRAY), 3), int(rng.integers(4, 14)))
    draw_line(layer, line, pen, rng)


def _flanks(body: Figure, limb: tuple[int, ...]) -> list[np.ndarray]:
    """Both sides (3, 2) of a limb, swelling over its upper bone."""
    joints = body.joints16_2d[list(limb)]
    along = np.gradient(joints, axis=0)
    out = np.stack([-along[:, 1], along[:, 0]], 1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
    upper, lower = primitives.thickness(body, limb)
    reach = np.array([upper, 0.8 * lower + 0.2 * upper, 0.6 * lower])[:, None]
    return [joints + side * reach * out for side in (-1, 1)]


def _masses(body: Figure, head: Head) -> list[np.ndarray]:
    """Ovals (N, 2): head, rib cage, pelvis."""
    joints = body.joints16_2d
    neck, hips = joints[1], joints[[8, 11]].mean(0)
    reach = max(float(np.linalg.norm(neck - hips)), 2.5 * head.radius)
    way = (hips - neck) / (np.linalg.norm(hips - neck) + 1e-6)
    across = max(float(np.linalg.norm(joints[2] - joints[5])), 0.5 * reach)
    return [
        arc(head.place, 1.1 * head.radius),
        _oval(neck + 0.42 * reach * way, way, 0.36 * reach, 0.42 * across),
        _oval(hips, way, 0.17 * reach, 0.36 * across),
    ]


def _oval(centre: np.ndarray, way: np.ndarray, long: float, wide: float) -> np.ndarray:
    ring = arc(np.zeros(2), 1.0)
    return centre + ring[:, :1] * long * way + ring[:, 1:] * wide * np.array([-way[1], way[0]])


def _loop(oval: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The oval begun anywhere, gone round a little more than once, never twice the same."""
    start = int(rng.integers(len(oval)))
    line = np.concatenate([np.roll(oval, -start, 0), np.roll(oval, -start, 0)[: int(rng.integers(2, 14))]])
    middle = oval.mean(0)
    return middle + (line - middle) * rng.uniform(0.92, 1.08) + rng.normal(0, 0.8, 2)


def _cross_contours(layer: Layer, body: Figure, limb: tuple[int, ...], pen: Pen, rng: np.random.Generator) -> None:
    """Short bows across thigh, shin and arm that say how round they are."""
    joints = body.joints16_2d
    thick = primitives.thickness(body, limb)
    for k, (a, b) in enumerate(pairwise(limb)):
        for share in rng.uniform(0.2, 0.8, int(rng.integers(0, 3))):
            way = joints[b] - joints[a]
            way = way / (np.linalg.norm(way) + 1e-6)
            centre, side = joints[a] + share * (joints[b] - joints[a]), np.array([-way[1], way[0]])
            bow = np.linspace(-1, 1, 7)[:, None]
            draw_line(layer, centre + bow * side * thick[k] + (1 - bow**2) * way * 0.4 * thick[k], _faint(pen, rng), rng)
