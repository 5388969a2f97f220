"""Drawings of a library in memory, as the detector learns from them and is judged by them."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stages.library.chunks import Chunk, chunks_of, label_of

_LABELS = ("joints", "visibility", "boxes", "styles")


@dataclass(frozen=True, eq=False)
class Drawings:
    """N drawings: encoded pictures; joints (N, 16, 2) px; visibility (N, 16) 0, 1, 2; boxes (N, 4) px; styles (N,)."""

    encoded: list[bytes]
    joints: np.ndarray
    visibility: np.ndarray
    boxes: np.ndarray
    styles: np.ndarray

    def __len__(self) -> int:
        return len(self.encoded)

    def picture(self, index: int, mode: int = cv2.IMREAD_COLOR_RGB) -> np.ndarray:
        """One picture (H, W, 3) uint8, RGB unless OpenCV's mode says otherwise."""
        return np.asarray(cv2.imdecode(np.frombuffer(self.encoded[index], np.uint8), mode))

    def only(self, rows: np.ndarray) -> "Drawings":
        """Some of the drawings."""
        return Drawings([self.encoded[int(i)] for i in rows], *(getattr(self, name)[rows] for name in _LABELS))


def load_drawings(library: Path, split: str, most: int | None = None) -> Drawings:
    """The drawings of a split, chunk after chunk, `most` at most."""
    label_of(library)
    chunks = [Chunk(path) for path in chunks_of(library, split, most)]
    encoded = [chunk.picture(row).tobytes() for chunk in chunks for row in range(len(chunk))]
    whole = Drawings(encoded, *(np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in _LABELS))
    return whole.only(np.arange(min(len(whole), most or len(whole))))
