"""The pinhole camera. Camera frame: x right, y down, z away from the viewer, metres; pixels from the top-left corner."""

import numpy as np
from numba import njit

from stages.body.rotations import about, axis_angle_from_matrix, matrix_from_axis_angle

# World (y up, facing +z) to camera for a level view from the front.
FRONT = np.diag([1.0, -1.0, -1.0])


def intrinsics(focal: float, size: int) -> np.ndarray:
    """K (3, 3) of a square picture with the principal point in its middle; focal length in pixels."""
    return np.array([[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]])


def focal_of(fov_deg: float, size: int) -> float:
    """Focal length in pixels of a field of view over the picture's side."""
    return size / 2 / float(np.tan(np.radians(fov_deg) / 2))


def view_from(elevation: float) -> np.ndarray:
    """World to camera (3, 3) for a view from the front, looking down by `elevation` radians."""
    return FRONT @ about("x", elevation)


def from_front(pose_world: np.ndarray) -> np.ndarray:
    """A pose (J, 3) in the world as that level camera sees it: with its root in the camera frame."""
    pose = np.array(pose_world, np.float64)
    pose[0] = axis_angle_from_matrix(FRONT @ matrix_from_axis_angle(pose[0]))
    return pose


def project(points: np.ndarray, camera_K: np.ndarray) -> np.ndarray:
    """Pixels (..., 2) of points (..., 3) in the camera frame; z must be above 0."""
    flat = points @ camera_K.T
    return flat[..., :2] / flat[..., 2:]


@njit(cache=True)
def projected_box(points, camera_K):
    """Least and greatest pixel x0, y0, x1, y1 (4,) of projected points (N, 3) in the camera frame; z must be above 0."""
    box = np.array([np.inf, np.inf, -np.inf, -np.inf])
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        u = (camera_K[0, 0] * x + camera_K[0, 1] * y) / z + camera_K[0, 2]
        v = camera_K[1, 1] * y / z + camera_K[1, 2]
        box[0], box[1], box[2], box[3] = min(box[0], u), min(box[1], v), max(box[2], u), max(box[3], v)
    return box
