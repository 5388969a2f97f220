"""The library of drawings as the generator learns from it: read one drawing at a time, with the maps that condition it."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from manifests.skeleton import STYLES
from stages.library.chunks import Chunk
from stages.pictures import decoded
from stages.sketches.generator.conditions import condition, pose_map

_OPEN = 512  # chunks that are kept open, their labels in memory


@dataclass(frozen=True)
class Entry:
    """One drawing: picture (size, size, 3) uint8; pose and parts: its maps, (size, size, 3) uint8, parts zeros where not known."""

    picture: np.ndarray
    pose: np.ndarray
    parts: np.ndarray
    style: str
    appearance: str
    motion: str

    def condition(self, with_parts: bool, channels: int = 6) -> np.ndarray:
        """The maps (channels, size, size) uint8."""
        return condition(self.pose, self.parts if with_parts else None, channels)


class Library:
    """The drawings of some chunks, `size` pixels a side, in their order; label: who drew them."""

    def __init__(self, paths: list[Path], size: int, label: str = ""):
        self.paths, self.size, self.label = paths, size, label
        self.ends = np.cumsum([len(Chunk(path)) for path in paths]).tolist()
        self._chunk = lru_cache(_OPEN)(Chunk)

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, index: int) -> Entry:
        chunk, row = self._place(index)
        name, stored = chunk.words["ids"][row], self._stored(chunk, row)
        pose, encoded = pose_map(chunk.joints[row] * (self.size / len(stored)), chunk.depth[row], self.size), chunk.map(row)
        parts = _fitted(decoded(encoded, name), self.size, cv2.INTER_NEAREST) if len(encoded) else np.zeros_like(pose)
        words = chunk.words["appearance"][row], chunk.words["motion"][row]
        return Entry(_fitted(stored, self.size), pose, parts, STYLES[int(chunk.styles[row])], *words)

    def picture(self, index: int) -> np.ndarray:
        """The picture alone, (size, size, 3) uint8 RGB."""
        return _fitted(self._stored(*self._place(index)), self.size)

    def style(self, index: int) -> str:
        """One of skeleton.STYLES."""
        chunk, row = self._place(index)
        return STYLES[int(chunk.styles[row])]

    def captions(self) -> Iterator[str]:
        """All words that go with the drawings."""
        for path in self.paths:
            words = self._chunk(path).words
            yield from (*words["appearance"], *words["motion"])

    def digest(self) -> str:
        """Of what the library holds: who drew it, and the names and sizes of its chunks."""
        parts = [self.label, *(f"{path.name}:{path.stat().st_size}" for path in self.paths), str(len(self))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def spread(self, each: int) -> list[int]:
        """The first `each` drawings of every style, style after style."""
        found: dict[str, list[int]] = {style: [] for style in STYLES}
        for index in range(len(self)):
            rows = found[self.style(index)]
            if len(rows) < each:
                rows.append(index)
            if all(len(rows) >= each for rows in found.values()):
                break
        return [index for rows in found.values() for index in rows]

    def _place(self, index: int) -> tuple[Chunk, int]:
        number = bisect_right(self.ends, index)
        return self._chunk(self.paths[number]), index - (self.ends[number - 1] if number else 0)

    def _stored(self, chunk: Chunk, row: int) -> np.ndarray:
        return decoded(chunk.picture(row), chunk.words["ids"][row])


def _fitted(image: np.ndarray, size: int, how: int = cv2.INTER_AREA) -> np.ndarray:
    return image if len(image) == size else cv2.resize(image, (size, size), interpolation=how)
