"""The cache of drawings: who drew it, and what is in it. Nothing here draws."""

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from manifests.errors import UserError
from manifests.skeleton import STYLES

SPLITS = ("train", "val")
_LABEL = "cache.json"
_ARRAYS = ("joints", "visibility", "boxes", "styles", "ids")


@dataclass(frozen=True, eq=False)
class Drawings:
    """N drawings: encoded pictures; joints (N, 16, 2) px; visibility (N, 16) 0, 1, 2; boxes (N, 4) px; styles (N,); ids (N,)."""

    encoded: list[bytes]
    joints: np.ndarray
    visibility: np.ndarray
    boxes: np.ndarray
    styles: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.encoded)

    def picture(self, index: int, mode: int = cv2.IMREAD_COLOR_RGB) -> np.ndarray:
        """One picture (H, W, 3) uint8, RGB unless OpenCV's mode says otherwise."""
        return np.asarray(cv2.imdecode(np.frombuffer(self.encoded[index], np.uint8), mode))

    def only(self, rows: np.ndarray) -> "Drawings":
        """Some of the drawings."""
        return Drawings([self.encoded[int(i)] for i in rows], *(getattr(self, name)[rows] for name in _ARRAYS))


def of_chunk(each: int) -> int:
    """Drawings in a chunk with so many of each style."""
    return each * len(STYLES)


def chunk_name(seed: int, index: int) -> str:
    """File name of a chunk."""
    return f"chunk-{seed}-{index:05d}.npz"


def claim(cache: Path, drawn: str) -> None:
    """Mark a cache with the digest of what draws it; one that others drew is refused."""
    for split in SPLITS:
        (cache / split).mkdir(parents=True, exist_ok=True)
    try:
        with (cache / _LABEL).open("x") as f:
            json.dump({"drawn_by": drawn}, f)
    except FileExistsError:
        if label_of(cache) != drawn:
            raise UserError(f"{cache}: drawn from another recipe or by other stages; name another folder, or remove this one") from None


def label_of(cache: Path) -> str:
    """The digest of what drew a cache."""
    try:
        return str(json.loads((cache / _LABEL).read_bytes())["drawn_by"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{cache / _LABEL}: cannot read it; expected a cache that stages.detector.drawings made") from None


def load_drawings(cache: Path, split: str, most: int | None = None) -> Drawings:
    """The drawings of a split, chunk after chunk, `most` at most."""
    label_of(cache)
    paths = sorted((cache / split).glob("chunk-*.npz"))
    if not paths:
        raise UserError(f"{cache / split}: no drawings; run `python -m stages.detector.drawings {cache} --split {split}` first")
    chunks: list[Drawings] = []
    for path in paths:
        if most is None or sum(map(len, chunks)) < most:
            chunks.append(_read(path))
    encoded = [image for chunk in chunks for image in chunk.encoded]
    whole = Drawings(encoded, *(np.concatenate([getattr(c, name) for c in chunks]) for name in _ARRAYS))
    return whole.only(np.arange(min(len(whole), most or len(whole))))


def _read(path: Path) -> Drawings:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (*_ARRAYS, "bytes", "ends")}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as e:
        raise UserError(f"{path}: cannot read this chunk ({e}); remove it and draw it again") from None
    data, ends = arrays["bytes"].tobytes(), arrays["ends"].tolist()
    encoded = [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    return Drawings(encoded, *(arrays[name] for name in _ARRAYS))
