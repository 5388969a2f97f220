"""Is a dataset what its index says? Every byte of every file, every sample, and nothing on two sides of the split."""

import hashlib
import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from manifests.dataset import FILE, Dataset, ShardFile
from manifests.errors import UserError
from stages.same_pose import pose_vectors
from stages.shards.leaks import Side, leaks, shared_poses
from stages.shards.read import Packed, opened, packed_samples
from stages.shards.tar import refuse

_READ_AS_OURS = re.compile(r"(train|val)-.*\.tar|verdicts/.*\.parquet")


class Findings:
    """What a look at a dataset gathers: a side for each split."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[str, str, np.ndarray, np.ndarray]]] = {"train": [], "val": []}

    def add(self, packed: Packed, split: str) -> None:
        """Take note of a sample of a shard of that split. Raises BadShard."""
        words, labels = opened(packed)
        if words["split"] != split:
            refuse(packed.shard, packed.offset, f"sample {packed.sample_id} belongs to the {words['split']} split")
        self._rows[split].append((packed.sample_id, words["source_id"], labels["pose"], labels["joints3d"]))

    def side(self, split: str) -> Side:
        """All samples of a split."""
        ids, sources, poses, joints3d = zip(*self._rows[split], strict=True) if self._rows[split] else ((), (), (), ())
        return Side(list(ids), list(sources), pose_vectors(np.reshape(poses, (-1, 24, 3)), np.reshape(joints3d, (-1, 16, 3))))


def check_dataset(dataset: Dataset, held_out: Dataset | None = None) -> Iterator[str]:
    """A sentence for everything that is not as it should be. `held_out`: a dataset whose val samples nothing here may have been
    trained on; names of samples and sources mean nothing beyond their dataset, so it is the poses that are compared."""
    findings, others = Findings(), Findings()
    yield from _strangers(dataset)
    for page, sha256 in dataset.index.pages.items():
        if dataset.exists(page):  # a dataset that was frozen goes without
            yield from _differs(dataset, page, sha256)
    for verdicts in dataset.index.verdicts:
        yield from _differs(dataset, verdicts.file, verdicts.sha256)
    for shard in dataset.index.shards:
        yield from check_shard(dataset, shard, findings)
    train = findings.side("train")
    yield from leaks(train, findings.side("val"))
    if held_out:
        for shard in held_out.shards("val"):
            yield from check_shard(held_out, shard, others)
        yield from shared_poses(train, others.side("val"))


def check_shard(dataset: Dataset, shard: ShardFile, findings: Findings) -> Iterator[str]:
    """A sentence if the shard is not the one that was written."""
    try:
        with dataset.open(shard.shard) as raw:
            file, count = _Hashed(raw), 0
            for packed in packed_samples(file, dataset.address(shard.shard)):
                findings.add(packed, shard.split)
                count += 1
            if file.sha256 != shard.sha256 or count != shard.samples:
                yield f"{dataset.address(shard.shard)} is whole, but not the shard that the index names"
    except UserError as e:
        yield str(e)


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: BinaryIO):
        self._file, self._hash = file, hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int, /) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        return data


def _strangers(dataset: Dataset) -> Iterator[str]:
    """Files that those who read a dataset by the names in its folder would take for its own."""
    index = dataset.index
    ours = {shard.shard for shard in index.shards} | {verdicts.file for verdicts in index.verdicts}
    for name in dataset.names() + dataset.names("verdicts"):
        if _READ_AS_OURS.fullmatch(name) and name not in ours:
            yield f"{dataset.address(name)}: {FILE} does not name it, but others would read it as a part of the dataset"


def _differs(dataset: Dataset, name: str, sha256: str) -> Iterator[str]:
    try:
        if hashlib.sha256(dataset.read(name)).hexdigest() != sha256:
            yield f"{dataset.address(name)} differs from its sha256"
    except UserError as e:
        yield str(e)
