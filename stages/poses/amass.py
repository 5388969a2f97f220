"""Reads AMASS `.npz` recordings, in the layouts of SMPL-H, SMPL-X and SMPL, without trusting what they say of themselves."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from stages.body.rotations import about, matrix_from_axis_angle
from stages.npz import open_npz, read_array
from stages.poses.motion import thinned

_BODY = 66  # numbers of the root and the 21 body joints, the first of every layout
_WIDTHS = (66, 72, 156, 165)
_RATES = ("mocap_framerate", "mocap_frame_rate")
_WORD = 1024  # bytes of a word
SHAPES = 10


@dataclass(frozen=True, eq=False)
class Recording:
    """turns (T, 24, 3, 3): SMPL's local rotations, the first in a world with y up; hands straight. betas (10,). gender: word."""

    turns: np.ndarray
    betas: np.ndarray
    gender: str
    fps: float


def read_amass(path: Path, rate: float, up: str = "auto") -> Recording:
    """The recording in a file, thinned to `rate` frames a second; AMASS has z up. Raises UserError naming the file and the key."""
    with open_npz(path, "recording") as archive:
        poses = _numbers(archive, "poses")
        rates = _numbers(archive, next((key for key in _RATES if _has(archive, key)), _RATES[0]))
        betas = _numbers(archive, "betas") if _has(archive, "betas") else np.zeros(SHAPES)
        gender = _word(archive, "gender")
    if poses.ndim != 2 or poses.shape[1] not in _WIDTHS or not len(poses):
        raise UserError(f"{path}: poses has shape {poses.shape}, expected (frames, one of {', '.join(map(str, _WIDTHS))})")
    fps = float(next(rates.flat, 0))
    if not 0 < fps < 10_000:
        raise UserError(f"{path}: a frame rate of {fps} cannot be")
    return Recording(_turns(path, poses[thinned(len(poses), fps, rate), :_BODY], up), _shape(path, betas), gender, fps)


def gender_of(path: Path) -> str:
    """The gender that a recording names, without reading the rest of it."""
    try:
        with open_npz(path, "recording") as archive:
            return _word(archive, "gender")
    except UserError:
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


def _has(archive: zipfile.ZipFile, key: str) -> bool:
    return f"{key}.npy" in archive.namelist()


def _numbers(archive: zipfile.ZipFile, key: str) -> np.ndarray:
    if not _has(archive, key):
        raise UserError(f"{archive.filename}: {key} is missing from this recording")
    array = read_array(archive, key)
    if array.dtype.kind not in "fiu":
        raise UserError(f"{archive.filename}: {key} holds {array.dtype}, expected numbers")
    return array


def _word(archive: zipfile.ZipFile, key: str) -> str:
    """A word stored as text or bytes; `unknown` where there is none, or only a Python object, which is never opened."""
    if not _has(archive, key):
        return "unknown"
    try:
        value = read_array(archive, key, _WORD).reshape(-1)[0]
    except (UserError, IndexError):
        return "unknown"
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).lower()
