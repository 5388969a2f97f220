"""Reads the `.txt` movements of DeepMimic's humanoid: the freely usable recordings of crawling, rolling and getting up."""

import json
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from stages.body.rotations import about
from stages.poses.motion import Motion, thinned

# The character of humanoid3d.txt (MIT): joint, parent, place against the parent in metres, numbers a frame holds for it.
# x is ahead, y up, z to the right; four numbers are a quaternion w, x, y, z, one is an angle about z.
_JOINTS = (
    ("root", -1, (0, 0, 0), 4), ("chest", 0, (0, 0.236151, 0), 4), ("neck", 1, (0, 0.223894, 0), 4),
    ("right_hip", 0, (0, 0, 0.084887), 4), ("right_knee", 3, (0, -0.421546, 0), 1), ("right_ankle", 4, (0, -0.40987, 0), 4),
    ("right_shoulder", 1, (-0.02405, 0.2435, 0.18311), 4), ("right_elbow", 6, (0, -0.274788, 0), 1),
    ("right_wrist", 7, (0, -0.258947, 0), 0),
    ("left_hip", 0, (0, 0, -0.084887), 4), ("left_knee", 9, (0, -0.421546, 0), 1), ("left_ankle", 10, (0, -0.40987, 0), 4),
    ("left_shoulder", 1, (-0.02405, 0.2435, -0.18311), 4), ("left_elbow", 12, (0, -0.274788, 0), 1),
    ("left_wrist", 13, (0, -0.258947, 0), 0),
    ("head.end", 2, (0, 0.175, 0), 0), ("right_ankle.end", 5, (0.13, -0.05, 0), 0), ("left_ankle.end", 11, (0.13, -0.05, 0), 0),
)  # fmt: skip
_FIRST = 4  # seconds to the next frame, then the root's place
NUMBERS = _FIRST + sum(n for *_, n in _JOINTS)


def is_deepmimic(path: Path) -> bool:
    """Whether a text file is a movement; the character's own file beside them is not."""
    try:
        with open(path, "rb") as file:
            return b'"Frames"' in file.read(4096)
    except OSError as e:
        raise UserError(f"{path}: cannot read ({e.strerror})") from None


def read_deepmimic(path: Path, rate: float) -> Motion:
    """The movement in a file, thinned to `rate` frames a second. Raises UserError naming the file and the frame."""
    try:
        frames = json.loads(path.read_text("utf-8"))["Frames"]
        lengths = [len(row) for row in frames]
    except OSError as e:
        raise UserError(f"{path}: cannot read ({e.strerror})") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path}: not a DeepMimic movement, or cut off") from None
    wrong = next((i for i, length in enumerate(lengths) if length != NUMBERS), None)
    if not frames or wrong is not None:
        what = f"frame {wrong} holds {lengths[wrong]} numbers, expected {NUMBERS}" if wrong is not None else "holds no frames"
        raise UserError(f"{path}: {what}")
    values = _numbers(path, frames)
    seconds = values[0, 0] if 0 < values[0, 0] < 60 else 1 / 30
    return _motion(path, values, thinned(len(values), 1 / seconds, rate), 1 / seconds)


def _numbers(path: Path, frames: list) -> np.ndarray:
    try:
        values = np.array(frames, np.float64)
    except (ValueError, TypeError, OverflowError):
        raise UserError(f"{path}: holds something that is not a number among its frames") from None
    bad = np.flatnonzero(~np.isfinite(values).all(1))
    if len(bad):
        raise UserError(f"{path}: frame {bad[0]}: a value is not finite")
    return values


def _motion(path: Path, values: np.ndarray, numbers: np.ndarray, fps: float) -> Motion:
    values = values[numbers]
    offsets, parents = np.array([j[2] for j in _JOINTS], np.float64), np.array([j[1] for j in _JOINTS])
    turns = np.broadcast_to(np.eye(3), (len(values), len(_JOINTS), 3, 3)).copy()
    column = _FIRST
    for i, (name, _, _, size) in enumerate(_JOINTS):
        if size == 4:
            turns[:, i] = _matrices(path, name, values[:, column : column + 4], numbers)
        elif size == 1:
            turns[:, i] = about("z", values[:, column])
        column += size
    rest = offsets.copy()
    for i, parent in enumerate(parents):
        rest[i] += rest[parent] if parent >= 0 else 0
    moves = np.broadcast_to(offsets, (len(values), *offsets.shape)).copy()
    moves[:, 0] = values[:, 1:4]
    return Motion(str(path), tuple(j[0] for j in _JOINTS), parents, rest, turns, moves, numbers, fps)


def _matrices(path: Path, name: str, q: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) of quaternions (T, 4), w first. numbers (T,): which frames of the file these are."""
    length = np.sqrt((q**2).sum(1, keepdims=True))
    if (length < 0.5).any():
        raise UserError(f"{path}: frame {numbers[np.argmax(length[:, 0] < 0.5)]}: the quaternion of {name} is not one")
    w, x, y, z = (q / length).T
    return np.stack([
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ], -1).reshape(-1, 3, 3)  # fmt: skip
