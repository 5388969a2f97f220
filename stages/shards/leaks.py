"""What must not lie on two sides of a split: a source, a sample, or nearly the same pose."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from stages.same_pose import same_poses


class Side(NamedTuple):
    """The samples of one split: names, sources, and poses (N, 45) of pose_vectors."""

    sample_ids: list[str]
    source_ids: list[str]
    poses: np.ndarray


def leaks(train: Side, val: Side) -> Iterator[str]:
    """A sentence for everything that lies on both sides."""
    for what, ours, theirs in (("source", train.source_ids, val.source_ids), ("sample", train.sample_ids, val.sample_ids)):
        yield from (f"{what} {name} is in train and in val" for name in sorted(set(ours) & set(theirs)))
    yield from shared_poses(train, val)


def shared_poses(train: Side, val: Side) -> Iterator[str]:
    """A sentence for every train sample that has nearly the pose of a val sample."""
    for i, j in enumerate(same_poses(train.poses, val.poses)):
        if j >= 0:
            yield f"train sample {train.sample_ids[i]} has nearly the pose of val sample {val.sample_ids[j]}"
