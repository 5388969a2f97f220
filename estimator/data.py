"""Reading a dataset: shards are indexed by their tar headers, samples are decoded on demand, nothing is ever unpickled."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from torch.utils import data

from manifests.dataset import FILE, read_dataset
from manifests.errors import UserError
from manifests.sample import decode_labels
from manifests.skeleton import LEFT_HIP, RIGHT_HIP
from stages.body.rotations import matrix_from_axis_angle

IMAGES = ("png", "jpg")
MEMBERS = (*IMAGES, "json", "npz")
# Far above any sample of ours: a member that claims more is refused before it is read.
MAX_BYTES, MAX_PIXELS = 16 << 20, 2048 * 2048
# Decoded pictures of a dataset up to this size stay in memory.
CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class Sample:
    """One sketch with its labels, the picture scaled to `size` pixels a side.

    image (S, S, 3) uint8 RGB; joints2d (16, 2) px of that picture; visibility (16,) as in the schema;
    joints3d (16, 3) m, camera frame, from the hips' midpoint; pose (24, 3, 3), the root in the camera frame; betas (10,).
    """

    sample_id: str
    style: str
    image: np.ndarray
    joints2d: np.ndarray
    visibility: np.ndarray
    joints3d: np.ndarray
    pose: np.ndarray
    betas: np.ndarray


@dataclass(frozen=True)
class Entry:
    """Where a sample lies: its shard, and {extension: (offset, bytes)} of its members."""

    sample_id: str
    shard: Path
    members: dict[str, tuple[int, int]]

    def read(self, extension: str) -> bytes:
        """One member's bytes."""
        offset, size = self.members[extension]
        with self.shard.open("rb") as f:
            f.seek(offset)
            return f.read(size)


class Sketches(data.Dataset[Sample]):
    """The samples of one split, pictures scaled to `size`; small sets stay in memory once read."""

    def __init__(self, dataset: Path, split: str, size: int):
        self.size = size
        self.entries = [entry for shard in _shards(dataset, split) for entry in _index(shard)]
        if not self.entries:
            raise UserError(f"{dataset / FILE}: the {split} split has no samples")
        self._cache: dict[int, Sample] = {}
        self._keep = len(self.entries) * size * size * 3 <= CACHE_BYTES

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        sample = self._cache.get(index) or _decode(self.entries[index], self.size)
        if self._keep:
            self._cache[index] = sample
        return sample


def dataset_digest(dataset: Path) -> str:
    """sha256 of dataset.json, which holds that of every shard."""
    return hashlib.sha256(_read(dataset / FILE)).hexdigest()


def from_hips(joints3d: np.ndarray) -> np.ndarray:
    """Joints (..., 16, 3) counted from the midpoint of the hips."""
    return joints3d - joints3d[..., (RIGHT_HIP, LEFT_HIP), :].mean(-2, keepdims=True)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise UserError(f"{path}: cannot read this dataset ({e.strerror})") from None


def _shards(dataset: Path, split: str) -> list[Path]:
    path = dataset / FILE
    try:
        shards = read_dataset(_read(path), str(path))["shards"]
        listed = [(Path(s["shard"]), int(s["bytes"])) for s in shards if s["split"] == split]
    except (KeyError, TypeError):
        raise UserError(f"{path}: not the index of a dataset, expected a list `shards` of shard, split, bytes") from None
    for name, size in listed:
        _check_shard(dataset / name.name, name, size)
    return [dataset / name for name, _ in listed]


def _check_shard(path: Path, listed: Path, size: int) -> None:
    if str(listed) != path.name:
        raise UserError(f"{path.parent / FILE}: shard {listed} lies outside the dataset's folder")
    if not path.is_file():
        raise UserError(f"{path}: this shard is missing")
    if path.stat().st_size != size:
        raise UserError(f"{path}: {path.stat().st_size} bytes where dataset.json says {size}; run the pipeline's verify")


def _index(shard: Path) -> list[Entry]:
    found: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                key, extension = _member_name(shard, member)
                found.setdefault(key, {})[extension] = (member.offset_data, member.size)
    except tarfile.TarError as e:
        raise UserError(f"{shard}: not a whole tar file ({e})") from None
    for key, members in found.items():
        if len(members) != 3 or not {"json", "npz"} < members.keys():
            raise UserError(f"{shard}: sample {key} has members {sorted(members)}, expected a picture, json and npz")
    return [Entry(key, shard, members) for key, members in found.items()]


def _member_name(shard: Path, member: tarfile.TarInfo) -> tuple[str, str]:
    key, _, extension = member.name.partition(".")
    if not member.isreg() or "/" in member.name or extension not in MEMBERS or member.size > MAX_BYTES:
        raise UserError(f"{shard}: refuses member {member.name}, expected small files named <sample_id>.({'|'.join(MEMBERS)})")
    return key, extension


def _decode(entry: Entry, size: int) -> Sample:
    extension = next(e for e in IMAGES if e in entry.members)
    image = _checked(entry, extension, _decode_image)
    labels = _checked(entry, "npz", _decode_arrays)
    words = _checked(entry, "json", json.loads)
    return Sample(
        sample_id=entry.sample_id,
        style=words["style"],
        image=cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA),
        joints2d=labels["joints2d"] * np.float32(size / image.shape[0]),
        visibility=labels["visibility"],
        joints3d=from_hips(labels["joints3d"]),
        pose=matrix_from_axis_angle(labels["pose"]).astype(np.float32),
        betas=labels["betas"],
    )


def _checked(entry: Entry, extension: str, decode: Callable):
    try:
        return decode(entry.read(extension))
    except (ValueError, KeyError, OSError, zipfile.BadZipFile, cv2.error) as e:
        raise UserError(f"{entry.shard}: member {entry.sample_id}.{extension} does not decode ({e})") from None


def _decode_image(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as header:  # reads no pixels yet
        width, height = header.size
    if width != height or width * height > MAX_PIXELS:
        raise ValueError(f"expected a square picture of at most {MAX_PIXELS} pixels, got {width}x{height}")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("damaged picture")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _decode_arrays(data: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(item.file_size for item in archive.infolist()) > MAX_BYTES:
            raise ValueError("the arrays unpack to more than a sample holds")
    return decode_labels(data)
