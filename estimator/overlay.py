"""The picture to judge a prediction by: joints in the drawing, the body over it, the body from the side."""

import numpy as np

from estimator.figure import Figure, posed
from estimator.load import Reading
from stages.body.camera import intrinsics
from stages.body.figure import figure_of
from stages.body.model import BodyModel, Posed
from stages.body.rotations import about
from stages.body.shading import draw_skeleton, shade
from stages.detector.crops import apply, cut, square_matrix
from stages.pictures import png

SIDE = 384  # px of each of the three views
_FAR = 100.0  # metres to a camera that is as good as parallel
_FILL, _SURE, _OVER = 0.82, 0.5, 0.62  # confidence of a joint that counts as seen; how much the body covers the drawing


def overlay(reading: Reading, body: BodyModel) -> bytes:
    """PNG (SIDE, 3 SIDE) of what was read, the views of `views`."""
    figure, scale = reading.figure, reading.scan.scale
    matrix = square_matrix(_around(reading, posed(body, figure)), SIDE, _FILL)  # from px of the file
    paper = cut(reading.scan.shown, matrix @ np.diag([1 / scale, 1 / scale, 1]), (SIDE, SIDE))
    made = views(paper, figure, reading.scan.size, matrix, body)
    return png(made)


def views(paper: np.ndarray, figure: Figure, size: tuple[int, int], matrix: np.ndarray, body: BodyModel) -> np.ndarray:
    """Joints in the drawing, the body over it, the body from the side (S, 3 S, 3) uint8 RGB: red joints are unsure, grey ones outside.

    paper (S, S, 3): the drawing, seen through matrix (2, 3), which is a scale and a shift; size: width and height of the picture.
    """
    points, shape = apply(matrix, figure.joints2d), posed(body, figure)
    outside = ((figure.joints2d < 0) | (figure.joints2d > size)).any(1)
    seen = np.where(outside, 0, np.where(figure.confidence < _SURE, 1, 2))
    over, there = _body(body, figure, shape, matrix, len(paper))
    mixed = np.where(there[..., None], _OVER * over + (1 - _OVER) * paper, paper).astype(np.uint8)
    return np.concatenate([draw_skeleton(paper.copy(), points, seen), mixed, from_side(body, figure, shape, size=len(paper))], 1)


def _around(reading: Reading, shape: Posed) -> np.ndarray:
    """The box (4,) px about the joints and the body."""
    scale, middle = reading.figure.camera[0], reading.figure.camera[1:]
    points = np.concatenate([shape.vertices[:, :2] * scale + middle, reading.figure.joints2d])
    return np.concatenate([points.min(0), points.max(0)])


def _body(body: BodyModel, figure: Figure, shape: Posed, matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The shaded body (size, size, 3) where the drawing has it, and where it is (size, size)."""
    camera_K = intrinsics(_FAR * figure.camera[0] * matrix[0, 0], size)
    camera_K[:2, 2] = apply(matrix, figure.camera[1:])
    made = figure_of(body, shape, figure.bone_scales, np.array([0, 0, _FAR]), camera_K, size)
    return shade(made), made.depth > 0


def from_side(body: BodyModel, figure: Figure, shape: Posed, size: int = SIDE) -> np.ndarray:
    """The shaded body (size, size, 3), filling the picture, by a viewer to the drawing's right."""
    turn = about("y", np.pi / 2)
    turned = Posed(shape.vertices @ turn.T, shape.joints @ turn.T, shape.joints16 @ turn.T)
    low, high = turned.vertices.min(0), turned.vertices.max(0)
    camera_K = intrinsics(_FAR * _FILL * size / max((high - low)[:2].max(), 1e-3), size)
    return shade(figure_of(body, turned, figure.bone_scales, np.array([0, 0, _FAR]) - (low + high) / 2 * (1, 1, 0), camera_K, size))
