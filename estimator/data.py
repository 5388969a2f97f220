"""Reading a dataset to learn from: samples by number (`Sketches`), or as a stream that nodes and workers share (`SkepDataset`).

Every sample is compared with its sha256 before it is decoded; damage is a BadShard that names the shard and the offset.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils import data

from estimator.sample import Sample, decode
from manifests.dataset import FILE, Dataset, ShardFile
from manifests.errors import UserError
from manifests.randomness import generator
from manifests.sample import style_of
from manifests.skeleton import STYLES
from stages.shards.read import Packed, Place, packed_samples, places, sample_at
from stages.shards.tar import refuse

# Decoded pictures of a dataset up to this size stay in memory.
CACHE_BYTES = 1 << 30

Augment = Callable[[Sample, np.random.Generator], Sample]


class SkepDataset(data.IterableDataset[Sample]):
    """The samples of one split, for a DataLoader of any downstream trainer.

    Shards are shared out among nodes, and a node's among its workers; each sample comes once an epoch. With `shuffle` the
    order of shards is drawn anew each epoch, and samples are drawn from that many read ahead. Same seed, epoch, nodes and
    workers: same order. What `augment` draws depends on seed, epoch and sample alone.
    """

    def __init__(
        self,
        dataset: str | Path,
        split: str = "train",
        size: int | None = None,
        *,
        shuffle: int = 0,
        seed: int = 0,
        augment: Augment | None = None,
        node: tuple[int, int] | None = None,
        check: bool = True,
        even: bool = False,
    ):
        """dataset: folder or fsspec URL. size: side of the pictures in pixels; None: as stored. shuffle: samples read ahead, 0 for
        none. augment: called with each sample and its generator. node: (rank, count); None asks torch.distributed. check: compare
        every sample with its sha256. even: every node gets as many samples as the one whose shards hold the fewest, for trainers
        whose nodes step together. Raises UserError where there is no such dataset."""
        self._dataset, self.size, self.shuffle, self.seed = Dataset(dataset), size, shuffle, seed
        self.augment, self.node, self.check, self.even = augment, node, check, even
        self.shards = self._dataset.shards(split)
        # Shared, so that workers that outlive an epoch see it too.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Before an epoch: which order and which augmentation it has."""
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[Sample]:
        """Raises BadShard at damage, UserError where there are fewer shards than nodes."""
        epoch = f"epoch {self._epoch.item()}"
        mine, most = self._mine(epoch)
        packed = self._packed(mine)
        if self.shuffle:
            packed = shuffled(packed, self.shuffle, generator(self.seed, "order", epoch))
        for sample in (decode(p, self.size) for p in islice(packed, most)):
            yield self.augment(sample, generator(self.seed, sample.sample_id, epoch)) if self.augment else sample

    def __getstate__(self) -> dict:
        """For a worker that is not forked, and knows nothing of torch.distributed."""
        return {**self.__dict__, "node": self.node or _node()}

    def _mine(self, epoch: str) -> tuple[list[ShardFile], int | None]:
        """The shards of this worker of this node, and how many of their samples, if not all."""
        rank, nodes = self.node or _node()
        if len(self.shards) < nodes:
            raise UserError(f"{self._dataset.address(FILE)}: {len(self.shards)} shards for {nodes} nodes; pack fewer samples a shard")
        order = generator(self.seed, "shards", epoch).permutation(len(self.shards)) if self.shuffle else range(len(self.shards))
        info = data.get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        shares = [[self.shards[i] for i in order][node::nodes][worker::workers] for node in range(nodes)]
        most = min(sum(shard.samples for shard in share) for share in shares)  # of the workers of this number
        return shares[rank], most if self.even else None

    def _packed(self, shards: list[ShardFile]) -> Iterator[Packed]:
        for shard in shards:
            address, count = self._dataset.address(shard.shard), 0
            with self._dataset.open(shard.shard) as file:
                for packed in packed_samples(file, address, self.check):
                    count += 1
                    yield packed
            if count != shard.samples:
                refuse(address, shard.bytes, f"{count} samples where {FILE} says {shard.samples}")


class Sketches(data.Dataset[Sample]):
    """The samples of one split by number, pictures scaled to `size`; small sets stay in memory once read."""

    def __init__(self, dataset: str | Path, split: str, size: int, styles: tuple[str, ...] = STYLES, most: int | None = None):
        """most: the first so many alone. Raises UserError where there is no such dataset, or none of its samples is of the styles;
        BadShard where a shard is not laid out as it was."""
        self.size, self._dataset = size, Dataset(dataset)
        entries = [entry for shard in self._dataset.shards(split) for entry in self._entries(shard)]
        self.entries = [entry for entry in entries if style_of(entry.place.sample_id) in styles][:most]
        if not self.entries:
            raise UserError(f"{self._dataset.url}: no {split} sample is of the styles {', '.join(styles)}")
        self._cache: dict[int, Sample] = {}
        self._keep = len(self.entries) * size * size * 3 <= CACHE_BYTES

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        sample = self._cache.get(index) or self._read(self.entries[index])
        if self._keep:
            self._cache[index] = sample
        return sample

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def _entries(self, shard: ShardFile) -> "list[_Entry]":
        with self._dataset.open(shard.shard) as file:
            found = places(file, self._dataset.address(shard.shard))
        return [_Entry(shard.shard, place) for place in found]

    def _read(self, entry: "_Entry") -> Sample:
        with self._dataset.open(entry.shard) as file:
            return decode(sample_at(file, self._dataset.address(entry.shard), entry.place), self.size)


class _Entry(NamedTuple):
    shard: str
    place: Place


def shuffled(stream: Iterator[Packed], ahead: int, rng: np.random.Generator) -> Iterator[Packed]:
    """The stream in another order: each sample is drawn from `ahead` that were read."""
    held: list[Packed] = []
    for packed in stream:
        if len(held) < ahead:
            held.append(packed)
            continue
        i = int(rng.integers(ahead))
        held[i], packed = packed, held[i]
        yield packed
    yield from (held[i] for i in rng.permutation(len(held)))


def _node() -> tuple[int, int]:
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
