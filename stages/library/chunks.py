"""A library of drawings: a folder of chunks, files of pictures, part maps and labels; and the digest of what drew them."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from manifests.errors import UserError
from stages.tensorfile import open_tensors, packed, words_of, write_tensors
from stages.wholefile import write_json

SPLITS = ("train", "val")
_LABEL = "library.json"
_LABELS = ("ends", "map_ends", "joints", "depth", "visibility", "boxes", "styles")


def claim(library: Path, drawn_by: str) -> None:
    """Mark a library with the digest of what draws it; one that others drew is refused."""
    for split in SPLITS:
        (library / split).mkdir(parents=True, exist_ok=True)
    if not (library / _LABEL).exists():
        write_json(library / _LABEL, {"drawn_by": drawn_by}, shared=True)
    if label_of(library) != drawn_by:
        raise UserError(f"{library}: drawn from another recipe or by other stages; name another folder, or remove this one")


def label_of(library: Path) -> str:
    """The digest of what drew a library."""
    try:
        return str(json.loads((library / _LABEL).read_bytes())["drawn_by"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{library / _LABEL}: cannot read it; expected a library that stages.library.draw made") from None


def chunk_path(library: Path, split: str, name: str) -> Path:
    """File of a chunk."""
    return library / split / f"chunk-{name}.safetensors"


def write_chunk(path: Path, pictures: list[bytes], maps: list[bytes], arrays: dict[str, np.ndarray], words: dict[str, list]) -> None:
    """n drawings. pictures, maps: encoded, maps empty where the body is not known; arrays: joints (n, 16, 2) px, depth (n, 16) m,
    visibility (n, 16), boxes (n, 4) px, styles (n,); words: ids, appearance, motion."""
    (data, ends), (map_data, map_ends) = packed(pictures), packed(maps)
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    write_tensors(path, {"pictures": data, "ends": ends, "maps": map_data, "map_ends": map_ends, **tensors}, words, shared=True)


class Chunk:
    """One file: labels as write_chunk has them in memory, pictures read when asked for. Raises UserError where it is damaged."""

    def __init__(self, path: Path):
        self._file, self.path = open_tensors(path), path
        self.words = words_of(self._file, path)
        try:
            arrays = [self._file.get_tensor(name).numpy() for name in _LABELS]
        except SafetensorError as e:
            raise UserError(f"{path}: damaged ({e}); delete it and make it again") from None
        self.ends, self.map_ends, self.joints, self.depth, self.visibility, self.boxes, self.styles = arrays

    def __len__(self) -> int:
        return len(self.styles)

    def picture(self, row: int) -> np.ndarray:
        """The encoded picture, (bytes,) uint8."""
        return self._bytes("pictures", self.ends, row)

    def map(self, row: int) -> np.ndarray:
        """The encoded part map, (bytes,) uint8; of no length where there is none."""
        return self._bytes("maps", self.map_ends, row)

    def _bytes(self, name: str, ends: np.ndarray, row: int) -> np.ndarray:
        return self._file.get_slice(name)[int(ends[row - 1]) if row else 0 : int(ends[row])].numpy()


def chunks_of(library: Path, split: str, most: int | None = None) -> list[Path]:
    """The files of a split in the order of their names; as many as hold `most` drawings, if there are so many."""
    paths = sorted((library / split).glob("chunk-*.safetensors"))
    if not paths:
        raise UserError(f"{library / split}: no drawings; run `python -m stages.library.draw {library}` first")
    taken, count = [], 0
    for path in paths:
        if most is None or count < most:
            taken.append(path)
            count += len(Chunk(path))
    return taken
