"""A drawing as SVG: areas as paths, strokes as the outlines of their varying width. Grain and washes stay in the picture."""

import numpy as np

from stages.sketches.drawing.canvas import Canvas, Mark
from stages.sketches.drawing.layer import UNITS, Fill, Stroke


def svg_of(canvas: Canvas) -> str:
    """The text of an SVG file, `viewBox` 0 0 256 256, the paper's mean colour behind."""
    body = "\n".join(element for mark in canvas.marks if (element := _element(mark)))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {UNITS} {UNITS}" width="{canvas.size}" height="{canvas.size}">'
    return f'{head}\n<rect width="100%" height="100%" fill="{_hex(canvas.paper)}"/>\n{body}\n</svg>\n'


def _element(mark: Mark) -> str:
    if isinstance(mark.shape, Fill):
        return _path(mark.shape.outlines, mark.colour, mark.opacity)
    inked = [run for run in _inked(mark.shape) if len(run.points) > 1]
    opacity = mark.opacity * float(np.mean([run.ink.mean() for run in inked])) if inked else 0.0
    return _path([_outline(run) for run in inked], mark.colour, opacity) if opacity > 0.02 else ""


def _inked(stroke: Stroke) -> list[Stroke]:
    """The stretches of a stroke that hold ink: gaps are where the pen was lifted."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], (stroke.ink > 0).astype(np.int8), [0]])))
    spans = [slice(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=True)]
    return [Stroke(stroke.points[s], stroke.radii[s], stroke.ink[s]) for s in spans]


def _outline(stroke: Stroke) -> np.ndarray:
    """The stroke's rim (M, 2): along one side and back along the other, with round ends."""
    points, radii = stroke.points, np.maximum(stroke.radii, 0.15)
    along = np.gradient(points, axis=0)
    angle = np.arctan2(along[:, 1], along[:, 0])
    sides = [points + radii[:, None] * _way(angle + turn) for turn in (-np.pi / 2, np.pi / 2)]
    turn = np.linspace(-np.pi / 2, np.pi / 2, 6)[1:-1]
    tip = points[-1] + radii[-1] * _way(angle[-1] + turn)
    tail = points[0] + radii[0] * _way(angle[0] + np.pi + turn)
    return np.concatenate([sides[0], tip, sides[1][::-1], tail])


def _way(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def _path(outlines: list[np.ndarray], colour, opacity: float) -> str:
    if not outlines:
        return ""
    drawn = " ".join("M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in outline) + "Z" for outline in outlines)
    faint = "" if opacity >= 0.995 else f' fill-opacity="{opacity:.2f}"'
    return f'<path d="{drawn}" fill="{_hex(colour)}"{faint}/>'


def _hex(colour) -> str:
    return "#" + bytes(colour).hex()
