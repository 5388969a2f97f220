"""What the ControlNet sees: the pose map (bones of a drawing) and the part map (the drawn body), side by side in six channels.

Training and the stage make them here, from the same labels.
"""

from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from manifests.skeleton import EDGES, SMPL_JOINTS
from stages.body.figure import Figure

MAPS = 1  # version of the maps: change it when the same labels would give others
Colours = Literal["skep", "openpose"]

_SHIFT = 4  # bits of a pixel's fraction that OpenCV is given
_BONE = 1 / 64  # width of a bone, as a share of the picture's side

# RGB of the 15 edges: right limbs warm, left limbs cold, light from the trunk outwards; head and neck white.
_SKEP = np.array([
    (255, 255, 255), (255, 150, 0), (255, 60, 0), (190, 0, 0), (0, 190, 255), (0, 80, 255), (40, 0, 170), (255, 220, 60),
    (255, 170, 110), (200, 110, 60), (140, 70, 30), (120, 255, 90), (0, 210, 110), (0, 150, 110), (0, 90, 80),
], np.uint8)  # fmt: skip
# What OpenPose paints the same bones; it knows no toes.
_OPENPOSE = np.array([
    (0, 0, 255), (255, 0, 0), (255, 170, 0), (255, 255, 0), (255, 85, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
    (0, 255, 85), (0, 255, 170), (0, 0, 0), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 0),
], np.uint8)  # fmt: skip
_OPENPOSE_JOINTS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255),
)  # fmt: skip
_FADED = 0.6  # OpenPose's bones are darker than its joints

# Parts in an order in which neighbours are alike: left leg, left arm, trunk, head, right arm, right leg.
_ORDER = (
    "left_foot", "left_ankle", "left_knee", "left_hip", "left_hand", "left_wrist", "left_elbow", "left_shoulder", "left_collar",
    "pelvis", "spine1", "spine2", "spine3", "neck", "head", "right_collar", "right_shoulder", "right_elbow", "right_wrist",
    "right_hand", "right_hip", "right_knee", "right_ankle", "right_foot",
)  # fmt: skip
# Grey of each value of a part buffer: 0 nothing, then from 60 to 244.
_LEVELS = np.array([0, *(60 + 8 * _ORDER.index(name) for name in SMPL_JOINTS)], np.uint8)


def pose_map(joints2d: np.ndarray, depth: np.ndarray, size: int, colours: Colours = "skep") -> np.ndarray:
    """The bones as (size, size, 3) uint8, drawn far to near.

    joints2d (16, 2): pixels of a picture of this size; a joint that is not known is NaN, and its bones are left out.
    depth (16,): of the joints, in any unit, larger is farther; NaN or equal where it is not known.
    """
    picture = np.zeros((size, size, 3), np.uint8)
    palette = _SKEP if colours == "skep" else (_OPENPOSE * _FADED).astype(np.uint8)
    width = max(1, round(_BONE * size))
    known = np.isfinite(joints2d).all(1)
    middle = np.nan_to_num(depth)[np.array(EDGES)].mean(1)
    for edge in np.argsort(-middle, kind="stable"):
        a, b = EDGES[edge]
        if known[a] and known[b] and palette[edge].any():
            cv2.line(picture, _spot(joints2d[a]), _spot(joints2d[b]), palette[edge].tolist(), width, cv2.LINE_AA, _SHIFT)
    if colours == "openpose":
        for joint in np.flatnonzero(known[: len(_OPENPOSE_JOINTS)]):
            cv2.circle(picture, _spot(joints2d[joint]), width << _SHIFT, _OPENPOSE_JOINTS[joint], -1, cv2.LINE_AA, _SHIFT)
    return picture


def part_map(figure: Figure) -> np.ndarray:
    """The drawn body as (size, size, 3) uint8: grey of the part, and x and y of the normal; zeros where there is no body."""
    normal = np.rint(127.5 + 127.5 * figure.normal[..., :2]).astype(np.uint8)
    normal[figure.part == 0] = 0
    return np.concatenate([_LEVELS[figure.part][..., None], normal], -1)


def condition(pose: np.ndarray, parts: np.ndarray | None, channels: int = 6) -> np.ndarray:
    """The maps (size, size, 3) as a ControlNet has them: (channels, size, size) uint8, which `shares` turns into what it takes; no part
    map is zeros."""
    maps = [pose, np.zeros_like(pose) if parts is None else parts]
    stacked = np.concatenate(maps[: channels // 3], -1)
    return np.ascontiguousarray(stacked.transpose(2, 0, 1))


def shares(levels: Tensor) -> Tensor:
    """Levels, uint8, as float32 in 0..1 on their device: a batch travels in a quarter of its size. In the layout that convolutions are
    fastest in."""
    return levels.float().div_(255).contiguous(memory_format=torch.channels_last)


def _spot(point: np.ndarray) -> tuple[int, int]:
    """Pixels from the corner as OpenCV counts them: from the first pixel's centre, in fractions."""
    x, y = np.rint((np.clip(point, -1e4, 1e4) - 0.5) * (1 << _SHIFT)).astype(int)
    return int(x), int(y)
