"""Where the camera stands: field of view, height, and a figure that fills the picture as asked."""

from typing import NamedTuple

import numpy as np
from numba import njit

from manifests.recipe import Projections as ProjectionsConfig
from stages.body.camera import focal_of, intrinsics, project, view_from

_FROM_BELOW = 0.25  # of the figures are seen from below; eyes are mostly above the middle of what they look at
_HIGH = (20.0, 55.0)  # degrees of the views that are high or low on purpose
_STEEPEST = 85.0  # degrees: beyond 90 the camera would hang upside down
_STEPS = 12  # each brings the distance about ten times nearer to the right one
_CLOSEST = 0.6  # metres from the camera to the nearest skin
_WEAK_FOV = 1.0  # degrees: sizes then differ by less than one per cent from a figure's front to its back
# Drawings are cut below more often than at a side.
_CUTS = {"below": 0.6, "left": 0.2, "right": 0.2}
_CUT_AXIS_SIGN = {"below": (1, 1.0), "left": (0, -1.0), "right": (0, 1.0)}
_CUT_SHARE = (0.08, 0.38)  # of the figure that lies beyond the border
_CUT_FILL = (0.75, 0.97)  # of the side, by what is left of the figure
_HEAD_INSIDE = 0.92  # of the way from the middle to the border


class Cut(NamedTuple):
    """The border that cuts a figure: axis 0 x or 1 y, -1 for none; sign: at its low or its high end; share beyond it."""

    axis: int = -1
    sign: float = 0.0
    share: float = 0.0


class View(NamedTuple):
    """camera_K (3, 3) px, camera_R (3, 3) world to camera, and the share of the side that the figure shall span.

    shift (2,): place of the figure in the room that is left, -1 to 1 in x and y.
    """

    camera_K: np.ndarray
    camera_R: np.ndarray
    fill: float
    shift: np.ndarray
    cut: Cut = Cut()


def draw_view(rng: np.random.Generator, config: ProjectionsConfig) -> View:
    """A camera for one sample."""
    fov, fill = rng.uniform(*config.fov_deg), rng.uniform(*config.fill)
    elevation = _draw_elevation(rng, config) * (-1 if rng.random() < _FROM_BELOW else 1)
    shift = np.clip(rng.normal(0, 0.4, 2), -1, 1)
    if rng.random() < config.weak_share:
        fov = _WEAK_FOV
    cut = Cut()
    if rng.random() < config.crop_share:
        cut = _draw_cut(rng)
        fill = rng.uniform(*_CUT_FILL) / (1 - cut.share if cut.axis == 1 else 1)
    return View(intrinsics(focal_of(fov, config.size), config.size), view_from(np.radians(elevation)), fill, shift, cut)


def _draw_elevation(rng: np.random.Generator, config: ProjectionsConfig) -> float:
    """Degrees off the level: mostly near it, now and then from a roof or a ditch."""
    if rng.random() < config.high_share:
        return rng.uniform(*_HIGH)
    return min(abs(rng.normal(0, config.elevation_deg)), _STEEPEST)


def _draw_cut(rng: np.random.Generator) -> Cut:
    ends = np.cumsum(list(_CUTS.values()))
    side = list(_CUTS)[int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))]
    return Cut(*_CUT_AXIS_SIGN[side], rng.uniform(*_CUT_SHARE))


def place(vertices: np.ndarray, head: np.ndarray, view: View, camera_K: np.ndarray, size: int) -> np.ndarray:
    """Translation (3,) that brings vertices (V, 3), turned as the camera sees them, before the camera.

    Their longer side then spans `fill` of the picture, and all of them lie inside it but for the share that the view cuts. A cut
    spares the head (3,): where the border would hide it, the opposite one cuts, and where that would too, none.
    """
    axis, sign, share = view.cut
    for cut in (view.cut, Cut(axis, -sign, share), Cut()):
        transl = _put(vertices, view, cut, camera_K, size)
        if cut.axis < 0 or (np.abs(project(head + transl, camera_K) - size / 2) < size / 2 * _HEAD_INSIDE).all():
            break
    return transl


def _put(vertices: np.ndarray, view: View, cut: Cut, camera_K: np.ndarray, size: int) -> np.ndarray:
    fill = min(view.fill, _CUT_FILL[1]) if cut != view.cut and cut.axis < 0 else view.fill  # what was to be cut and is not must fit
    low, high = _bounds(vertices)
    start = -(low + high) / 2
    start[2] += camera_K[0, 0] * (high - low)[:2].max() / (fill * size) + (high - low)[2] / 2
    return _settle(np.ascontiguousarray(vertices), start, camera_K[0, 0], size, fill, view.shift, tuple(cut), _STEPS)


@njit(cache=True)
def _settle(vertices, transl, focal, size, fill, shift, cut, steps):
    """Moves the figure until the box of its projection has the size and place that are wanted."""
    nearest = vertices[:, 2].min()
    axis, sign, share = cut
    for _ in range(steps):
        transl[2] = max(transl[2], _CLOSEST - nearest)
        low, high = _box(vertices, transl, focal)
        depth = transl[2]
        transl[2] *= max(high[0] - low[0], high[1] - low[1]) / (fill * size)
        for k in range(2):
            span = high[k] - low[k]
            middle = shift[k] * max((size - span) / 2, 0.0) * 0.8
            if k == axis:
                middle = sign * (size / 2 + (share - 0.5) * span)
            transl[k] -= ((low[k] + high[k]) / 2 - middle) * depth / focal
    transl[2] = max(transl[2], _CLOSEST - nearest)
    return transl


@njit(cache=True)
def _bounds(points):
    """Least and greatest coordinates (3,) of points (N, 3)."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for i in range(len(points)):
        for k in range(3):
            low[k], high[k] = min(low[k], points[i, k]), max(high[k], points[i, k])
    return low, high


@njit(cache=True)
def _box(vertices, transl, focal):
    """Least and greatest pixel (2,) of the projected vertices, from the middle of the picture."""
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for i in range(len(vertices)):
        z = vertices[i, 2] + transl[2]
        for k in range(2):
            pixel = focal * (vertices[i, k] + transl[k]) / z
            low[k], high[k] = min(low[k], pixel), max(high[k], pixel)
    return low, high
