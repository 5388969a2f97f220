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
_HELD = 0.6  # the least that trunks held along an axis point along it, on the mean
_LOW = 0.7  # metres: below it the roots of those who lie, crawl or sit on the ground
SHAPES = 10


@dataclass(frozen=True, eq=False)
class Recording:
    """turns (T, 24, 3, 3): SMPL's local rotations, the first in a world with y up; hands straight. betas (10,). gender: word."""

    turns: np.ndarray
    betas: np.ndarray
    gender: str
    fps: float


def read_amass(path: Path, rate: float, up: str = "auto") -> Recording:
    """The recording in a file, thinned to `rate` frames a second. Raises UserError naming the file and the key."""
    with open_npz(path, "recording") as archive:
        poses = _numbers(archive, "poses")
        rates = _numbers(archive, next((key for key in _RATES if _has(archive, key)), _RATES[0]))
        betas = _numbers(archive, "betas") if _has(archive, "betas") else np.zeros(SHAPES)
        places = _numbers(archive, "trans") if _has(archive, "trans") else np.zeros(0)
        gender = _word(archive, "gender")
    if poses.ndim != 2 or poses.shape[1] not in _WIDTHS or not len(poses):
        raise UserError(f"{path}: poses has shape {poses.shape}, expected (frames, one of {', '.join(map(str, _WIDTHS))})")
    fps = float(next(rates.flat, 0))
    if not 0 < fps < 10_000:
        raise UserError(f"{path}: a frame rate of {fps} cannot be")
    turns = _turns(path, poses[thinned(len(poses), fps, rate), :_BODY])
    if (_up_axis(turns, places) if up == "auto" else up) == "z":
        turns[:, 0] = about("x", -np.pi / 2) @ turns[:, 0]
    return Recording(turns, _shape(path, betas), gender, fps)


def gender_of(path: Path) -> str:
    """The gender that a recording names, without reading the rest of it."""
    try:
        with open_npz(path, "recording") as archive:
            return _word(archive, "gender")
    except UserError:
        return "unknown"  # whoever draws it learns what is wrong with it


def _turns(path: Path, poses: np.ndarray) -> np.ndarray:
    if not np.isfinite(poses).all():
        raise UserError(f"{path}: poses holds a value that is not finite")
    out = np.broadcast_to(np.eye(3), (len(poses), 24, 3, 3)).copy()
    out[:, :22] = matrix_from_axis_angle(poses.astype(np.float64).reshape(-1, 22, 3))
    return out


def _up_axis(turns: np.ndarray, places: np.ndarray) -> str:
    """z, as AMASS has it, unless trunks are held along y on the whole, and not by somebody who stays low over a floor at z = 0."""
    trunk = turns[:, 0, :, 1].mean(0)
    heights = places[:, 2] if places.ndim == 2 and places.shape[1] == 3 else np.zeros(1)
    low = ((heights > 0) & (heights < _LOW)).all()
    return "y" if trunk[1] > max(_HELD, trunk[2]) and not low else "z"


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
