"""A face on the head: where eyes, brows, nose and mouth lie, and drawing them with a pen."""

from dataclasses import dataclass

import numpy as np

from stages.sketches.drawing.anatomy import Head
from stages.sketches.drawing.layer import Layer
from stages.sketches.drawing.pen import Pen, arc, draw_dot, draw_line


@dataclass(frozen=True)
class Features:
    """A face by seed: eye spacing and height, sizes in head radii, mouth curve (positive smiles), which parts are drawn."""

    spacing: float
    height: float
    eye: float
    curve: float
    mouth: float
    open_mouth: bool
    brows: bool
    nose: str
    blush: bool


def choose_features(rng: np.random.Generator) -> Features:
    """A new face."""
    return Features(
        spacing=float(rng.uniform(0.3, 0.45)),
        height=float(rng.uniform(0.0, 0.16)),
        eye=float(rng.uniform(0.09, 0.17)),
        curve=float(rng.choice([rng.uniform(0.1, 0.25), rng.uniform(-0.14, 0.04)], p=[0.75, 0.25])),
        mouth=float(rng.uniform(0.2, 0.4)),
        open_mouth=bool(rng.random() < 0.2),
        brows=bool(rng.random() < 0.5),
        nose=str(rng.choice(["none", "dot", "hook", "line"])),
        blush=bool(rng.random() < 0.3),
    )


def draw_face(layer: Layer, head: Head, face: Features, pen: Pen, rng: np.random.Generator, eyes: bool = True) -> None:
    """Ink the parts of a face that turn towards the viewer; widths follow the pen."""
    for side in (-1, 1):
        if eyes and head.sees_viewer(side * face.spacing, face.height) > 0.14:
            draw_dot(layer, head.on(side * face.spacing, face.height), max(0.75 * pen.width, face.eye * 0.6 * head.radius))
        if face.brows and head.sees_viewer(side * face.spacing, face.height + 0.25) > 0.14:
            brow = [head.on(side * (face.spacing + d), face.height + 0.28 - 1.5 * d * d) for d in (-0.15, 0, 0.15)]
            draw_line(layer, np.stack(brow), pen, rng)
    _draw_nose(layer, head, face, pen, rng)
    if head.sees_viewer(0, -0.45) > 0.08:
        _draw_mouth(layer, head, face, pen, rng)


def _draw_nose(layer: Layer, head: Head, face: Features, pen: Pen, rng: np.random.Generator) -> None:
    if face.nose == "none" or head.sees_viewer(0, -0.1) < 0.1:
        return
    tip = head.at(0, -0.16, 1.12)
    if face.nose == "dot":
        draw_dot(layer, tip, 0.6 * pen.width)
    elif face.nose == "line":
        draw_line(layer, np.stack([head.at(0, 0.1, 1.0), tip]), pen, rng)
    else:
        draw_line(layer, np.stack([head.at(0, 0.05, 1.0), tip, head.at(0.12, -0.22, 0.98)]), pen, rng)


def _draw_mouth(layer: Layer, head: Head, face: Features, pen: Pen, rng: np.random.Generator) -> None:
    across = np.linspace(-face.mouth, face.mouth, 9)
    curve = -0.45 - face.curve * (1 - (across / face.mouth) ** 2)
    shown = [head.on(x, y) for x, y in zip(across, curve, strict=True) if head.sees_viewer(x, y) > 0.1]
    if face.open_mouth and len(shown) > 4:
        draw_line(layer, arc(head.on(0, -0.5), 0.16 * head.radius), pen, rng)
    elif len(shown) > 2:
        draw_line(layer, np.stack(shown), pen, rng)
