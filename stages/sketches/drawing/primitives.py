"""Shapes that stick figures and children's drawings are built of, placed by the 16 joints."""

from dataclasses import replace

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing.anatomy import Head
from stages.sketches.drawing.anatomy import head_of as _head_of
from stages.sketches.drawing.layer import Layer
from stages.sketches.drawing.pen import Pen, arc, draw_line, resample, smooth, wander

# Chains of the 16 joints from the body outward, right then left; the toe tip that belongs to each ankle.
ARMS, LEGS, TOES = ((2, 3, 4), (5, 6, 7)), ((8, 9, 10), (11, 12, 13)), {10: 15, 13: 14}
_HANDS = (23, 22)  # SMPL


def head_radius(figure: Figure, factor: float) -> float:
    """Radius in units of a head drawn as a circle about the skull's centre."""
    return max(5.0, factor * _head_of(figure).radius)


def round_head(head: Head, radius: float, frontal: bool) -> Head:
    """The same head as a ball of the given radius in units; frontal: its face turned to the viewer, if it is not turned away."""
    ball = replace(head, radii=np.full(3, radius * head.centre[2] / head.camera_K[0, 0]))
    if not frontal or head.front[2] > -0.1:
        return ball
    up = np.array([*head.up[:2], 0.0])
    up /= np.linalg.norm(up) + 1e-9
    return replace(ball, up=up, front=np.array([0, 0, -1.0]), left=np.array([-up[1], up[0], 0.0]))


def loop(centre: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """A circle as a hand draws it: (N, 2), not quite round, its end passing its start."""
    points = arc(centre, radius, rng.uniform(0, 6.28), rng.choice([-1, 1]) * (2 * np.pi + rng.uniform(0, 0.5)), 44)
    return centre + (points - centre) * (1 + 0.03 * wander(rng, len(points), 14)[:, None])


def bowed(a: np.ndarray, b: np.ndarray, bend: float, rng: np.random.Generator) -> np.ndarray:
    """A line from a to b with a slight bow, `bend` of its length or half as much again at most."""
    t = np.linspace(0, 1, 9)[:, None]
    out = np.array([a[1] - b[1], b[0] - a[0]])
    return a + t * (b - a) + 4 * t * (1 - t) * out * bend * np.clip(rng.normal(0, 1), -1.5, 1.5)


def rounded(points: np.ndarray) -> np.ndarray:
    """The chain (N, 2) drawn in one go: its corners a little soft."""
    return smooth(resample(points, 2), 3)


def hand(layer: Layer, figure: Figure, side: int, pen: Pen, rng: np.random.Generator) -> None:
    """Three to five fingers from the wrist; side 0 is the right."""
    wrist, palm = figure.joints2d[(21, 20)[side]], figure.joints2d[_HANDS[side]]
    way = palm - wrist
    length = max(float(np.linalg.norm(way)), 4.6) * 1.5
    angle = np.arctan2(way[1], way[0])
    for spread in np.linspace(-0.7, 0.7, int(rng.integers(3, 6))):
        tip = wrist + length * np.array([np.cos(angle + spread), np.sin(angle + spread)])
        draw_line(layer, np.stack([wrist, tip]), replace(pen, width=0.75 * pen.width), rng)


def hair(layer: Layer, figure: Figure, centre: np.ndarray, radius: float, pen: Pen, rng: np.random.Generator) -> str:
    """Hair as lines around a round head, and its name."""
    up = centre - figure.joints16_2d[1]
    crown = float(np.arctan2(up[1], up[0]))
    kind = str(rng.choice(["spikes", "curls", "strands", "pigtails"]))
    pen = replace(pen, width=0.8 * pen.width)
    if kind == "curls":
        turn = np.linspace(-1.3, 1.3, 60)
        waves = 1.06 + 0.14 * np.sin(turn * rng.uniform(16, 24))
        draw_line(layer, centre + radius * waves[:, None] * np.stack([np.cos(crown + turn), np.sin(crown + turn)], 1), pen, rng)
    elif kind == "pigtails":
        for side in (-1, 1):
            root = arc(centre, radius, crown + side * 1.2, 0, 1)[0]
            way = np.array([np.cos(crown + side * 2.0), np.sin(crown + side * 2.0)])
            plait = root + radius * np.linspace(0, 1, 30)[:, None] * way
            plait += 0.12 * radius * np.sin(np.linspace(0, 16, 30))[:, None] * np.array([-way[1], way[0]])
            draw_line(layer, plait, replace(pen, width=1.3 * pen.width), rng)
    else:
        _strands(layer, centre, radius, crown, kind == "strands", pen, rng)
    return {"spikes": "spiky hair", "curls": "curly hair", "strands": "long hair", "pigtails": "pigtails"}[kind]


def _strands(layer: Layer, centre: np.ndarray, radius: float, crown: float, fall: bool, pen: Pen, rng: np.random.Generator) -> None:
    for turn in np.linspace(-1.5, 1.5, int(rng.integers(9, 17))):
        root = arc(centre, radius, crown + turn, 0, 1)[0]
        out = np.array([np.cos(crown + turn), np.sin(crown + turn)])
        if fall:
            out = 0.35 * out - 1.1 * np.array([np.cos(crown), np.sin(crown)]) * abs(np.sin(turn))
        draw_line(layer, bowed(root, root + out * radius * rng.uniform(0.3, 0.5) * (2 if fall else 1), 0.1, rng), pen, rng)


def thickness(figure: Figure, limb: tuple[int, ...]) -> np.ndarray:
    """Half the drawn width (2,) of the limb's two bones, in units."""
    metres = np.array([0.085, 0.055] if limb in LEGS else [0.05, 0.038])
    return metres * figure.camera_K[0, 0] / np.maximum(figure.joints16[list(limb[:2]), 2], 0.1)
