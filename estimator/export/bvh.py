"""Biovision `.bvh`: 24 joints by SMPL's names, centimetres, y up, Euler angles in degrees in the order Z, X, Y."""

import warnings
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from estimator.export.take import Take
from manifests.skeleton import SMPL_JOINTS, SMPL_PARENTS

CENTIMETRES = 100.0
_PLACE, _TURN = "Xposition Yposition Zposition", "Zrotation Xrotation Yrotation"


def to_bvh(take: Take) -> bytes:
    """The text of the file. The rest pose is SMPL's: arms level, legs upright, facing +z."""
    lines = ["HIERARCHY", *_joint(take, 0, ""), "MOTION", f"Frames: {len(take.turns)}", f"Frame Time: {1 / take.fps:.8f}"]
    return "\n".join([*lines, *(" ".join(_number(v) for v in row) for row in _channels(take)), ""]).encode()


def _joint(take: Take, joint: int, indent: str) -> list[str]:
    """The lines of a joint and of all that hangs on it."""
    parent = SMPL_PARENTS[joint]
    children = [child for child, above in enumerate(SMPL_PARENTS) if above == joint]
    inner = indent + "\t"
    end = () if children else ("End Site", "{", _offset(take.tips[joint] - take.joints[joint], "\t"), "}")
    return [
        f"{indent}{'ROOT' if parent < 0 else 'JOINT'} {SMPL_JOINTS[joint]}",
        f"{indent}{{",
        # The root's place is in its channels; an offset would be added to it by some programs and not by others.
        _offset(take.joints[joint] - take.joints[parent] if parent >= 0 else np.zeros(3), inner),
        f"{inner}CHANNELS 3 {_TURN}" if parent >= 0 else f"{inner}CHANNELS 6 {_PLACE} {_TURN}",
        *(line for child in children for line in _joint(take, child, inner)),
        *(inner + line for line in end),
        f"{indent}}}",
    ]


def _channels(take: Take) -> np.ndarray:
    """(F, 3 + 24 x 3): the pelvis's place, then every joint's angles in the order of the hierarchy, without jumps between frames."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at gimbal lock one of many right answers is as good as another
        angles = Rotation.from_matrix(take.turns.reshape(-1, 3, 3)).as_euler("ZXY", degrees=True).reshape((*take.turns.shape[:2], 3))
    angles = _steady(angles)[:, _order(0)]
    return np.concatenate([take.places * CENTIMETRES, angles.reshape(len(angles), -1)], axis=1)


def _steady(angles: np.ndarray) -> np.ndarray:
    """Angles (F, J, 3) in degrees, each triple the one of its turn's two that is nearest to the frame before."""
    out = angles.copy()
    for before, frame in pairwise(out):
        ways = np.stack([frame, [180, 180, 180] + frame * [1, -1, 1]])
        ways += 360 * np.rint((before - ways) / 360)
        nearer = np.abs(ways - before).sum(-1).argmin(0)
        frame[:] = np.take_along_axis(ways, nearer[None, :, None], 0)[0]
    return out


def _order(joint: int) -> list[int]:
    """A joint and all that hangs on it, as the hierarchy names them."""
    return [joint, *(below for child, above in enumerate(SMPL_PARENTS) if above == joint for below in _order(child))]


def _offset(vector: np.ndarray, indent: str) -> str:
    return f"{indent}OFFSET {' '.join(_number(v * CENTIMETRES) for v in vector)}"


def _number(value: float) -> str:
    return f"{value + 0.0:.6f}".replace("-0.000000", "0.000000")
