"""Plain pictures of bodies for previews: shaded skin, the skeleton of a drawing, colours of visibility."""

import cv2
import numpy as np

from manifests.skeleton import EDGES
from stages.body.camera import focal_of, from_front, intrinsics
from stages.body.figure import Figure, make_figure
from stages.body.model import BodyModel

_LIGHT = np.array([-0.45, -0.6, -0.66])
_PAPER, _LEFT, _RIGHT, _MIDDLE = 250, (178, 205, 236), (240, 200, 168), (214, 212, 206)
_LEFT_PARTS = (2, 5, 8, 11, 14, 17, 19, 21, 23)  # 1 + SMPL joint
_RIGHT_PARTS = (3, 6, 9, 12, 15, 18, 20, 22, 24)
_FRAME, _BONE = (150, 150, 165), (70, 110, 200)
# Outside the image, occluded, visible.
_VISIBILITY = ((150, 150, 150), (214, 60, 50), (40, 150, 70))


def picture_of_pose(body: BodyModel, pose_world: np.ndarray, betas: np.ndarray, size: int = 256) -> np.ndarray:
    """RGB (size, size, 3) uint8 of a pose in the world, from the front, filling the picture."""
    pose = from_front(pose_world)
    vertices = body.vertices(pose, betas)
    low, high = vertices.min(0), vertices.max(0)
    distance = 4.0 * float((high - low).max())
    transl = np.array([0, 0, distance]) - (low + high) / 2
    camera_K = intrinsics(focal_of(17, size), size)
    return shade(make_figure(body, pose, betas, np.ones(24), transl, camera_K, size))


def shade(figure: Figure) -> np.ndarray:
    """RGB (size, size, 3) uint8: the skin lit from the upper left, bluish on the figure's left side, reddish on its right."""
    colours = np.tile(np.array(_MIDDLE, float), (25, 1))
    colours[list(_LEFT_PARTS)], colours[list(_RIGHT_PARTS)] = _LEFT, _RIGHT
    light = 0.5 + 0.5 * np.clip(figure.normal @ _LIGHT, 0, 1)
    skin = colours[figure.part] * light[..., None]
    return np.where(figure.depth[..., None] > 0, skin, _PAPER).astype(np.uint8)


def draw_skeleton(picture: np.ndarray, joints2d: np.ndarray, visibility: np.ndarray) -> np.ndarray:
    """The picture with the 15 edges and 16 joints (16, 2) px laid over it, joints coloured by visibility (16,)."""
    out, scale = np.ascontiguousarray(picture), 8  # OpenCV takes eighths of a pixel, counted from pixel centres
    points = [tuple(int(v) for v in np.round((p - 0.5) * scale)) for p in joints2d]
    width = max(1, len(out) // 170)
    for a, b in EDGES:
        cv2.line(out, points[a], points[b], _BONE, width, cv2.LINE_AA, 3)
    for point, seen in zip(points, visibility, strict=True):
        cv2.circle(out, point, 2 * width * scale, _VISIBILITY[int(seen)], -1, cv2.LINE_AA, 3)
    return out


def draw_box(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The picture with a thin frame at x0, y0, x1, y1 (4,) px; sides beyond the border do not show."""
    out = np.ascontiguousarray(picture)
    x0, y0, x1, y1 = (int(v) for v in np.floor(box))
    cv2.rectangle(out, (x0, y0), (x1, y1), _FRAME, 1)
    return out
