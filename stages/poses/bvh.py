"""Reads Biovision `.bvh` files: any order of channels, any number of them for each joint."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from stages.body.rotations import about
from stages.poses.motion import Motion, thinned

_AXES = {"xposition": (0, 0), "yposition": (0, 1), "zposition": (0, 2), "xrotation": (1, 0), "yrotation": (1, 1), "zrotation": (1, 2)}


@dataclass
class _Joint:
    name: str
    parent: int
    offset: np.ndarray | None = None
    channels: list[tuple[int, int]] = field(default_factory=list)


def read_bvh(path: Path, rate: float) -> Motion:
    """The movement in a file, thinned to `rate` frames a second. Raises UserError naming the file and the line."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError as e:
        raise UserError(f"{path}: cannot read ({e.strerror})") from None
    start = next((i for i, line in enumerate(lines) if line.strip().upper() == "MOTION"), None)
    if start is None or "HIERARCHY" not in lines[0].upper():
        raise UserError(f"{path}: not a BVH file, or cut off before its MOTION part")
    joints = _hierarchy(path, lines[:start])
    frames, seconds = _header(path, lines, start)
    values = _values(path, lines, start + 3, frames, sum(len(j.channels) for j in joints))
    return _motion(path, joints, values, thinned(frames, 1 / seconds, rate), 1 / seconds)


def _hierarchy(path: Path, lines: list[str]) -> list[_Joint]:
    """Joints in the order of the file, end sites as `<parent>.end`."""
    joints: list[_Joint] = []
    open_joints: list[int] = []
    for number, line in enumerate(lines[1:], 2):
        word, *rest = line.split() or [""]
        try:
            _take(joints, open_joints, word.upper(), rest)
        except (ValueError, IndexError, KeyError):
            raise UserError(f"{path}: line {number}: cannot read {line.strip()!r} in the HIERARCHY") from None
    if open_joints or not joints or any(j.offset is None for j in joints):
        raise UserError(f"{path}: line {len(lines)}: the HIERARCHY ends before all its joints are closed")
    return joints


def _take(joints: list[_Joint], open_joints: list[int], word: str, rest: list[str]) -> None:
    parent = open_joints[-1] if open_joints else -1
    if word in ("ROOT", "JOINT"):
        joints.append(_Joint(" ".join(rest), parent))
    elif word == "END":
        joints.append(_Joint(f"{joints[parent].name}.end", parent))
    elif word == "{":
        open_joints.append(len(joints) - 1)
    elif word == "}":
        open_joints.pop()
    elif word == "OFFSET":
        joints[parent].offset = np.array([float(v) for v in rest[:3]]).reshape(3)
    elif word == "CHANNELS":
        joints[parent].channels = [_AXES[name.lower()] for name in rest[1:]]
        if len(rest) - 1 != int(rest[0]):
            raise ValueError
    elif word:
        raise ValueError


def _header(path: Path, lines: list[str], start: int) -> tuple[int, float]:
    """Number of frames and seconds between two."""
    try:
        frames, seconds = int(lines[start + 1].split(":")[1]), float(lines[start + 2].split(":")[1])
    except (IndexError, ValueError):
        raise UserError(f"{path}: line {start + 2}: expected `Frames: <number>` and `Frame Time: <seconds>`") from None
    if frames < 1 or not 0 < seconds < 60:
        raise UserError(f"{path}: line {start + 2}: {frames} frames every {seconds} seconds cannot be")
    return frames, seconds


def _values(path: Path, lines: list[str], first: int, frames: int, channels: int) -> np.ndarray:
    """Channel values (frames, channels); the sentence names the line that is wrong."""
    rows = [(number, line.split()) for number, line in enumerate(lines[first:], first + 1) if line.strip()][:frames]
    for number, row in rows:
        if len(row) != channels:
            raise UserError(f"{path}: line {number}: {len(row)} numbers, expected {channels}, one a channel")
    if len(rows) < frames:
        raise UserError(f"{path}: line {len(lines)}: ends after {len(rows)} of {frames} frames")
    try:
        values = np.array([row for _, row in rows], np.float64)
    except ValueError:
        raise UserError(f"{path}: holds something that is not a number among its frames") from None
    bad = np.flatnonzero(~np.isfinite(values).all(1))
    if len(bad):
        raise UserError(f"{path}: line {rows[bad[0]][0]}: a value is not finite")
    return values


def _motion(path: Path, joints: list[_Joint], values: np.ndarray, numbers: np.ndarray, fps: float) -> Motion:
    """Rotations compose in the order of a joint's channels; position channels take the place of its offset."""
    values = values[numbers]
    offsets = np.array([j.offset for j in joints])
    turns = np.broadcast_to(np.eye(3), (len(values), len(joints), 3, 3)).copy()
    moves = np.broadcast_to(offsets, (len(values), *offsets.shape)).copy()
    column = 0
    for i, joint in enumerate(joints):
        for kind, axis in joint.channels:
            if kind:
                turns[:, i] = turns[:, i] @ about("xyz"[axis], np.radians(values[:, column]))
            else:
                moves[:, i, axis] = values[:, column]
            column += 1
    parents, rest = np.array([j.parent for j in joints]), offsets.copy()
    for i, parent in enumerate(parents):
        rest[i] += rest[parent] if parent >= 0 else -rest[i]
    return Motion(str(path), tuple(j.name for j in joints), parents, rest, turns, moves, numbers, fps)
