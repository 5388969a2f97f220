"""Reads AMASS `.npz` recordings, in the layouts of SMPL-H, SMPL-X and SMPL, without trusting what they say of themselves."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from stages.body.rotations import about, matrix_from_axis_angle
from stages.poses.motion import thinned

_BODY = 66  # numbers of the root and the 21 body joints, the first of every layout
_WIDTHS = (66, 72, 156, 165)
_RATES = ("mocap_framerate", "mocap_frame_rate")
_LARGEST = 2**31  # bytes of one array
SHAPES = 10
# What zipfile raises: the last two for a member that is locked, or packed in a way that it does not know.
_DAMAGED = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError)


@dataclass(frozen=True, eq=False)
class Recording:
    """turns (T, 24, 3, 3): SMPL's local rotations, the first in a world with y up; hands straight. betas (10,). gender: word."""

    turns: np.ndarray
    betas: np.ndarray
    gender: str
    fps: float


def read_amass(path: Path, rate: float, up: str = "auto") -> Recording:
    """The recording in a file, thinned to `rate` frames a second; AMASS has z up. Raises UserError naming the file and the key."""
    try:
        with zipfile.ZipFile(path) as archive:
            poses = _array(path, archive, "poses")
            fps = float(_array(path, archive, next((k for k in _RATES if f"{k}.npy" in archive.namelist()), _RATES[0])).reshape(-1)[0])
            betas = _array(path, archive, "betas") if "betas.npy" in archive.namelist() else np.zeros(SHAPES)
            gender = _word(archive, "gender")
    except _DAMAGED as e:
        why = getattr(e, "strerror", None) or "not an .npz archive, or cut off"
        raise UserError(f"{path}: cannot read this recording ({why})") from None
    if poses.ndim != 2 or poses.shape[1] not in _WIDTHS or not len(poses):
        raise UserError(f"{path}: poses has shape {poses.shape}, expected (frames, one of {', '.join(map(str, _WIDTHS))})")
    if not 0 < fps < 10_000:
        raise UserError(f"{path}: a frame rate of {fps} cannot be")
    return Recording(_turns(path, poses[thinned(len(poses), fps, rate), :_BODY], up), _shape(path, betas), gender, fps)


def gender_of(path: Path) -> str:
    """The gender that a recording names, without reading the rest of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _word(archive, "gender")
    except _DAMAGED:
        return "unknown"  # whoever draws it learns what is wrong with it


def _turns(path: Path, poses: np.ndarray, up: str) -> np.ndarray:
    if not np.isfinite(poses).all():
        raise UserError(f"{path}: poses holds a value that is not finite")
    out = np.broadcast_to(np.eye(3), (len(poses), 24, 3, 3)).copy()
    out[:, :22] = matrix_from_axis_angle(poses.astype(np.float64).reshape(-1, 22, 3))
    if up != "y":
        out[:, 0] = about("x", -np.pi / 2) @ out[:, 0]
    return out


def _shape(path: Path, betas: np.ndarray) -> np.ndarray:
    flat = np.concatenate([betas.astype(np.float64).reshape(-1), np.zeros(SHAPES)])[:SHAPES]
    if not np.isfinite(flat).all():
        raise UserError(f"{path}: betas holds a value that is not finite")
    return flat


def _array(path: Path, archive: zipfile.ZipFile, key: str) -> np.ndarray:
    """An array of numbers. Its header is held against the size of the member before anything is allocated."""
    try:
        info = archive.getinfo(f"{key}.npy")
    except KeyError:
        raise UserError(f"{path}: {key} is missing from this recording") from None
    with archive.open(info) as file:
        try:
            old = np.lib.format.read_magic(file) == (1, 0)
            read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
        except ValueError:
            raise UserError(f"{path}: {key} is damaged") from None
        if dtype.kind not in "fiu":
            raise UserError(f"{path}: {key} holds {dtype}, expected numbers")
        size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
        if size > _LARGEST or size != info.file_size - file.tell():
            raise UserError(f"{path}: {key} claims the shape {shape}, {size} bytes, and holds {info.file_size - file.tell()}")
        return np.frombuffer(file.read(size), dtype).reshape(shape, order="F" if fortran else "C")


def _word(archive: zipfile.ZipFile, key: str) -> str:
    """A word stored as text or bytes; `unknown` where there is none, or only a Python object, which is never opened."""
    if f"{key}.npy" not in archive.namelist():
        return "unknown"
    try:
        with archive.open(f"{key}.npy") as file:
            value = np.lib.format.read_array(file, allow_pickle=False).reshape(-1)[0]
    except (ValueError, IndexError):
        return "unknown"
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).lower()
