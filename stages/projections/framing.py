"""Where the camera stands: field of view, height, and a figure that fills the picture as asked."""

from typing import NamedTuple

import numpy as np
from numba import njit

from manifests.recipe import Projections as ProjectionsConfig
from stages.body.camera import focal_of, intrinsics, view_from

_FROM_BELOW = 0.25  # of the figures are seen from below; eyes are mostly above the middle of what they look at
_STEPS = 12  # each brings the distance about ten times nearer to the right one
_CLOSEST = 0.6  # metres from the camera to the nearest skin


class View(NamedTuple):
    """camera_K (3, 3) px, camera_R (3, 3) world to camera, and the share of the side that the figure shall span.

    shift (2,): place of the figure in the room that is left, -1 to 1 in x and y.
    """

    camera_K: np.ndarray
    camera_R: np.ndarray
    fill: float
    shift: np.ndarray


def draw_view(rng: np.random.Generator, config: ProjectionsConfig) -> View:
    """A camera for one sample."""
    fov, fill = rng.uniform(*config.fov_deg), rng.uniform(*config.fill)
    elevation = abs(rng.normal(0, config.elevation_deg)) * (-1 if rng.random() < _FROM_BELOW else 1)
    shift = np.clip(rng.normal(0, 0.4, 2), -1, 1)
    return View(intrinsics(focal_of(fov, config.size), config.size), view_from(np.radians(elevation)), fill, shift)


def place(vertices: np.ndarray, view: View, camera_K: np.ndarray, size: int) -> np.ndarray:
    """Translation (3,) that brings vertices (V, 3), turned as the camera sees them, before the camera.

    Their longer side then spans `fill` of the picture, and all of them lie inside it.
    """
    low, high = vertices.min(0), vertices.max(0)
    start = -(low + high) / 2
    start[2] += camera_K[0, 0] * (high - low)[:2].max() / (view.fill * size) + (high - low)[2] / 2
    return _settle(np.ascontiguousarray(vertices), start, camera_K[0, 0], size, view.fill, view.shift, _STEPS)


@njit(cache=True)
def _settle(vertices, transl, focal, size, fill, shift, steps):
    """Moves the figure until the box of its projection has the size and place that are wanted."""
    nearest = vertices[:, 2].min()
    for _ in range(steps):
        transl[2] = max(transl[2], _CLOSEST - nearest)
        low, high = _box(vertices, transl, focal)
        depth = transl[2]
        transl[2] *= max(high[0] - low[0], high[1] - low[1]) / (fill * size)
        for k in range(2):
            room = (size - (high[k] - low[k])) / 2
            off = (low[k] + high[k]) / 2 - shift[k] * max(room, 0.0) * 0.8
            transl[k] -= off * depth / focal
    transl[2] = max(transl[2], _CLOSEST - nearest)
    return transl


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
