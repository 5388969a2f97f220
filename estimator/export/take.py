"""What every format writes: a skeleton at rest, and its turns frame by frame, in the frame that animation programs share.

World: x right, y up, z towards the viewer, metres; the lowest point of all frames stands on y = 0. This is the one place where
the camera frame of the labels (x right, y down, z away) is turned into it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estimator.figure import Figure, posed
from manifests.skeleton import JOINTS
from stages.body.camera import FRONT
from stages.body.model import BodyModel

_SKULL, _LEFT_TOE, _RIGHT_TOE = (JOINTS.index(name) for name in ("head", "left_toe", "right_toe"))
_TIPS = ((15, _SKULL), (10, _LEFT_TOE), (11, _RIGHT_TOE))
_HANDS = ((20, 22), (21, 23))


@dataclass(frozen=True, eq=False)
class Take:
    """One figure over F frames.

    turns (F, 24, 3, 3) local rotations, the root's in the world; places (F, 3) of the pelvis. joints (24, 3), tips by SMPL joint
    (skull centre, toes, fingers) and vertices (V, 3) of the rest pose, with the proportions that were asked for; fps.
    """

    body: BodyModel
    turns: np.ndarray
    places: np.ndarray
    joints: np.ndarray
    tips: dict[int, np.ndarray]
    vertices: np.ndarray
    fps: float


def take_of(figures: Sequence[Figure], body: BodyModel, fps: float = 24.0) -> Take:
    """The figures of successive frames as one: its shape and proportions are the mean of theirs.

    It moves across the picture as they do, at one scale; how near it is to the viewer is not known and stays the same.
    """
    betas = np.mean([f.betas for f in figures], axis=0)
    scales = np.exp(np.mean([np.log(f.bone_scales) for f in figures], axis=0))
    alike = [Figure(f.pose, betas, scales, f.camera, f.joints2d, f.confidence) for f in figures]
    rest = body.pose(np.zeros((24, 3)), betas, scales)
    turns = np.stack([f.pose for f in figures]).astype(np.float64)
    turns[:, 0] = FRONT @ turns[:, 0]
    tips = {joint: rest.joints16[tip] for joint, tip in _TIPS} | {
        hand: 2 * rest.joints[hand] - rest.joints[wrist] for wrist, hand in _HANDS
    }
    return Take(body, turns, _places(alike, body), rest.joints, tips, rest.vertices, fps)


def _places(figures: Sequence[Figure], body: BodyModel) -> np.ndarray:
    """Where the pelvis is (F, 3)."""
    cameras = np.stack([f.camera for f in figures])
    middles = (cameras[:, 1:] - cameras[0, 1:]) / np.median(cameras[:, 0])
    shown = [posed(body, f) for f in figures]
    pelvis = np.stack([s.joints[0] + (x, y, 0.0) for s, (x, y) in zip(shown, middles, strict=True)])
    lowest = max(s.vertices[:, 1].max() + y for s, (_, y) in zip(shown, middles, strict=True))
    return (pelvis - (0.0, lowest, 0.0)) @ FRONT
