"""Samples cut into partitions: which there are, and what each holds."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from manifests.schema import PLANNED


@dataclass(frozen=True)
class Partition:
    """`size` samples of one style, from number `index * size` on."""

    style: str
    index: int
    size: int

    @property
    def name(self) -> str:
        return f"{self.style}-p{self.index:05d}"

    def rows(self) -> pa.Table:
        first = self.index * self.size
        ids = [f"{self.style}-{n:06d}" for n in range(first, first + self.size)]
        return pa.table([pa.array(ids), pa.array([self.style] * self.size)], schema=PLANNED)


def partition_of(sample_id: str, size: int) -> Partition:
    """The partition that a sample belongs to."""
    style, _, number = sample_id.rpartition("-")
    return Partition(style, int(number) // size, size)


@dataclass(frozen=True)
class Partitions:
    """Partitions of `size` samples in their order, as numbers of each style in turn: as many as there are, they take no memory."""

    size: int
    spans: tuple[tuple[str, range], ...]

    def __iter__(self) -> Iterator[Partition]:
        return (Partition(style, index, self.size) for style, numbers in self.spans for index in numbers)

    def __len__(self) -> int:
        return sum(len(numbers) for _, numbers in self.spans)

    def __add__(self, more: "Partitions") -> "Partitions":
        return Partitions(self.size, self.spans + more.spans)

    def of(self, style: str) -> int:
        """How many there are of a style."""
        return sum(len(numbers) for name, numbers in self.spans if name == style)
