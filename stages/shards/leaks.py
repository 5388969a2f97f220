"""What must not lie on two sides of a split: a source, a sample, or nearly the same pose."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from manifests.skeleton import EDGES
from stages.body.rotations import matrix_from_axis_angle

# Poses whose bones differ by less than this, on average over the bones, are the same to the eye.
SAME_POSE_DEG = 3.0
_BLOCK = 1024
_PARENT, _CHILD = (list(ends) for ends in zip(*EDGES, strict=True))


class Side(NamedTuple):
    """The samples of one split: names, sources, and bones (N, 45) of pose_vector."""

    sample_ids: list[str]
    source_ids: list[str]
    bones: np.ndarray


def pose_vector(pose: np.ndarray, joints3d: np.ndarray) -> np.ndarray:
    """The directions (45,) float32 of the 15 bones as the pelvis sees them, in all of length 1: the pose without body, camera and turn.

    pose (24, 3) axis-angle, its first rotation and joints3d (16, 3) in the same frame. The product of two is the mean cosine.
    """
    bones = joints3d[_CHILD] - joints3d[_PARENT]
    bones = bones / np.maximum(np.linalg.norm(bones, axis=1, keepdims=True), 1e-9)
    return (bones @ matrix_from_axis_angle(pose[0]) / np.sqrt(len(EDGES))).astype(np.float32).ravel()


def same_poses(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[int, int]]:
    """Rows (i, j) of two arrays of pose_vector that are nearly the same pose; of each i the nearest j alone."""
    least = np.cos(np.radians(SAME_POSE_DEG))
    for start in range(0, len(left) if len(right) else 0, _BLOCK):
        alike = left[start : start + _BLOCK] @ right.T
        nearest = alike.argmax(1)
        for i in np.flatnonzero(alike[np.arange(len(alike)), nearest] > least):
            yield start + int(i), int(nearest[i])


def leaks(train: Side, val: Side) -> Iterator[str]:
    """A sentence for everything that lies on both sides."""
    for what, ours, theirs in (("source", train.source_ids, val.source_ids), ("sample", train.sample_ids, val.sample_ids)):
        yield from (f"{what} {name} is in train and in val" for name in sorted(set(ours) & set(theirs)))
    yield from shared_poses(train, val)


def shared_poses(train: Side, val: Side) -> Iterator[str]:
    """A sentence for every val sample whose pose is nearly that of a train sample."""
    for i, j in same_poses(val.bones, train.bones):
        yield f"val sample {val.sample_ids[i]} has nearly the pose of train sample {train.sample_ids[j]}"
