"""Joints of other conventions from the vertices of a posed mesh: the 16 of a drawing, SMPL-24, LSP-14, COCO-17, OpenPose-25."""

from pathlib import Path

import numpy as np

from manifests.errors import UserError
from manifests.skeleton import JOINTS, SMPL_JOINTS
from stages.body.files import bundled_path, load_npz, read_body
from stages.body.landmarks import MARKS
from stages.body.rings import point_rows

_POINTS = (*SMPL_JOINTS, *MARKS)
_COCO_BODY = tuple(f"{side}_{name}" for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right"))

# The points of each convention in its order; "a+b" is halfway between two.
KEYPOINTS = {
    "drawing16": tuple({"head": "skull"}.get(name, name) for name in JOINTS),
    "smpl24": SMPL_JOINTS,
    "lsp14": (
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist", "right_elbow",
        "right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "neck", "crown",
    ),
    "coco17": ("nose", "left_eye", "right_eye", "left_ear", "right_ear", *_COCO_BODY),
    "openpose25": (
        "nose", "left_shoulder+right_shoulder", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
        "left_wrist", "left_hip+right_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
        "right_eye", "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe",
        "right_small_toe", "right_heel",
    ),
}  # fmt: skip


def regressor(convention: str, path: Path | None = None) -> np.ndarray:
    """Weights (K, V) that take the posed vertices (V, 3) of a body to the K keypoints of one of KEYPOINTS; each row sums to 1.

    Joints inside the body are found to a few millimetres in any pose. `path`: an SMPL-format file; None is the bundled body.
    """
    if convention not in KEYPOINTS:
        raise UserError(f"{convention}: expected one of {', '.join(KEYPOINTS)}")
    rows = _bundled_rows() if path is None else point_rows(read_body(path))
    return np.stack([rows[[_POINTS.index(name) for name in point.split("+")]].mean(0) for point in KEYPOINTS[convention]])


def _bundled_rows() -> np.ndarray:
    return load_npz(bundled_path(), ("point_regressor",))["point_regressor"].astype(np.float64)
