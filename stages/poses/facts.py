"""What a report counts of poses."""

import numpy as np
import pyarrow as pa

from manifests.schema import to_numpy
from manifests.skeleton import SMPL_JOINTS
from manifests.stage import Fact
from stages.body.rotations import matrix_from_axis_angle

COLUMNS = ("source_id", "motion", "pose_world")
_TURNS = {
    "turn of elbows": ("left_elbow", "right_elbow"),
    "turn of knees": ("left_knee", "right_knee"),
    "turn of shoulders": ("left_shoulder", "right_shoulder"),
    "turn of hips": ("left_hip", "right_hip"),
}


def of_poses(table: pa.Table) -> list[Fact]:
    """Facts of rows of schema.POSES."""
    pose = to_numpy(table, "pose_world").astype(np.float64)
    up = matrix_from_axis_angle(pose[:, 0])[:, 1, 1]
    return [
        Fact("sources", [name.partition("-")[0] for name in table["source_id"].to_pylist()], about="where poses come from"),
        Fact("actions", [_action(words) for words in table["motion"].to_pylist()], about="what figures do, in the first words of captions"),
        Fact("lean", np.degrees(np.arccos(np.clip(up, -1, 1))), "degrees", (0, 180), about="of the pelvis from upright"),
        *(Fact(name, _angles(pose, joints), "degrees", (0, 180), about="from rest, both sides") for name, joints in _TURNS.items()),
    ]


def _action(words: str) -> str:
    """The first clause of a caption; the others are gestures and facing."""
    return words.removeprefix("a figure ").partition(",")[0]


def _angles(pose: np.ndarray, joints: tuple[str, str]) -> np.ndarray:
    """By how much (N, 2) two joints are turned against their parents, degrees."""
    return np.degrees(np.linalg.norm(pose[:, [SMPL_JOINTS.index(name) for name in joints]], axis=-1))
