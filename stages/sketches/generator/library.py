"""The library of drawings to learn from: chunks of pictures, part maps and labels, read one drawing at a time."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from manifests.errors import UserError
from manifests.skeleton import STYLES
from stages.pictures import decoded
from stages.sketches.generator.conditions import condition, pose_map
from stages.sketches.generator.drawings import LABEL
from stages.tensorfile import open_tensors, words_of

_OPEN = 64  # chunks whose labels are kept in memory


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
        """The maps (channels, size, size) float32 in 0..1."""
        return condition(self.pose, self.parts if with_parts else None, channels)


class Library:
    """The drawings of one split, `size` pixels a side, in the order of the chunks' names."""

    def __init__(self, folder: Path, split: str, size: int, most: int | None = None):
        self.size = size
        self.paths = sorted((folder / split).glob("*.safetensors"))
        if not self.paths:
            raise UserError(f"{folder / split}: no drawings; run `make train-generator` to draw them")
        counts = [_count(path) for path in self.paths]
        self.ends = np.cumsum(counts).tolist()
        self.count = min(self.ends[-1], most or self.ends[-1])
        self.label = (folder / LABEL).read_text() if (folder / LABEL).exists() else ""
        self._chunk = lru_cache(_OPEN)(_Chunk)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Entry:
        chunk, row = self._place(index)
        return chunk.entry(row, self.size)

    def picture(self, index: int) -> np.ndarray:
        """The picture alone, (size, size, 3) uint8 RGB."""
        chunk, row = self._place(index)
        return chunk.picture(row, self.size)

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
        parts = [self.label, *(f"{path.name}:{path.stat().st_size}" for path in self.paths), str(self.count)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def spread(self, each: int) -> list[int]:
        """The first `each` drawings of every style, style after style."""
        found: dict[str, list[int]] = {style: [] for style in STYLES}
        for index in range(self.count):
            rows = found[self.style(index)]
            if len(rows) < each:
                rows.append(index)
            if all(len(rows) >= each for rows in found.values()):
                break
        return [index for rows in found.values() for index in rows]

    def _place(self, index: int) -> tuple["_Chunk", int]:
        number = bisect_right(self.ends, index)
        return self._chunk(self.paths[number]), index - (self.ends[number - 1] if number else 0)


class _Chunk:
    """One file: labels in memory, pictures read when asked for."""

    def __init__(self, path: Path):
        self._file = open_tensors(path)
        self.words = words_of(self._file, path)
        arrays = {name: self._file.get_tensor(name).numpy() for name in ("ends", "map_ends", "joints", "depth", "styles")}
        self.ends, self.map_ends, self.joints, self.depth, self.styles = arrays.values()

    def entry(self, row: int, size: int) -> Entry:
        encoded = self._bytes("pictures", self.ends, row)
        stored = decoded(encoded, self.words["ids"][row])
        joints = self.joints[row] * (size / len(stored))
        pose = pose_map(joints, self.depth[row], size)
        parts = self._bytes("maps", self.map_ends, row)
        map_ = _fitted(decoded(parts, self.words["ids"][row]), size, cv2.INTER_NEAREST) if len(parts) else np.zeros_like(pose)
        style = STYLES[int(self.styles[row])]
        return Entry(_fitted(stored, size), pose, map_, style, self.words["appearance"][row], self.words["motion"][row])

    def picture(self, row: int, size: int) -> np.ndarray:
        return _fitted(decoded(self._bytes("pictures", self.ends, row), self.words["ids"][row]), size)

    def _bytes(self, name: str, ends: np.ndarray, row: int) -> np.ndarray:
        return self._file.get_slice(name)[int(ends[row - 1]) if row else 0 : int(ends[row])].numpy()


def _fitted(image: np.ndarray, size: int, how: int = cv2.INTER_AREA) -> np.ndarray:
    return image if len(image) == size else cv2.resize(image, (size, size), interpolation=how)


def _count(path: Path) -> int:
    with open_tensors(path) as file:
        return int(file.get_slice("styles").get_shape()[0])
