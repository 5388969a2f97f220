"""When two poses are nearly the same, whoever strikes them, from wherever, in a mirror or not: the one rule of `select` and `verify`."""

import numpy as np
from scipy.spatial import cKDTree

from manifests.skeleton import CHILDREN, EDGES, MIRROR, PARENTS
from stages.body.rotations import matrix_from_axis_angle

# Poses whose bones differ by less than this, on average over the bones, are the same to the eye.
SAME_POSE_DEG = 3.0
_OTHER_SIDE = [CHILDREN.index(MIRROR[child]) for child in CHILDREN]
_REACH = 2 * np.sin(np.radians(SAME_POSE_DEG) / 2)  # between vectors of length 1 at that angle


def pose_vectors(pose: np.ndarray, joints3d: np.ndarray) -> np.ndarray:
    """The directions (N, 45) of the 15 bones as the pelvis sees them, in all of length 1: poses without body, camera and turn.

    pose (N, 24, 3) axis-angle, its first rotation and joints3d (N, 16, 3) in the same frame. The product of two is the mean cosine.
    """
    joints3d, turn = joints3d.astype(np.float64), matrix_from_axis_angle(pose[:, 0].astype(np.float64))
    bones = joints3d[:, CHILDREN] - joints3d[:, PARENTS]
    bones /= np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)
    return (bones @ turn / np.sqrt(len(EDGES))).reshape(len(pose), 3 * len(EDGES))


def same_poses(poses: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each of the poses (N, 45) of pose_vectors the nearest of the others (M, 45) or of their mirror images, if that is the same
    pose, else -1: int (N,)."""
    if not len(poses) or not len(others):
        return np.full(len(poses), -1)
    apart, nearest = cKDTree(others).query(np.stack([poses, mirrored(poses)]), distance_upper_bound=_REACH)
    nearest = np.where(apart[0] <= apart[1], *nearest)
    return np.where(np.isfinite(apart).any(0), nearest, -1)


def mirrored(poses: np.ndarray) -> np.ndarray:
    """Poses (N, 45) of pose_vectors as a mirror shows them."""
    return (poses.reshape(-1, len(EDGES), 3)[:, _OTHER_SIDE] * (-1, 1, 1)).reshape(poses.shape)
