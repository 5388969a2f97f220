"""What a report counts of proportions, viewpoints and figures in the picture."""

import numpy as np
import pyarrow as pa

from manifests.schema import to_numpy
from manifests.skeleton import JOINTS, SMPL_JOINTS, VISIBLE
from manifests.stage import Fact
from stages.body.rotations import matrix_from_axis_angle
from stages.projections.statistics import measures

COLUMNS = ("proportions", "pose", "bone_scales", "joints2d", "visibility", "bbox", "camera_K", "camera_R")
HEAD = SMPL_JOINTS.index("head")
_PLACES = {"heads in the picture": "head", "wrists in the picture": "wrist", "ankles in the picture": "ankle"}


def of_projections(table: pa.Table) -> list[Fact]:
    """Facts of rows of schema.PROJECTIONS."""
    columns = {name: to_numpy(table, name).astype(np.float64) for name in COLUMNS[1:]}
    side = 2 * columns["camera_K"][:, 0, 2]  # the principal point lies in the picture's middle
    joints, box = columns["joints2d"], columns["bbox"] / side[:, None]
    drawn = {name: values.reshape(-1, len(joints)).T for name, values in measures(joints).items()}
    places = {name: [i for i, joint in enumerate(JOINTS) if joint.endswith(part)] for name, part in _PLACES.items()}
    return [
        Fact("proportions", table["proportions"].to_pylist(), about="presets that bones are scaled by"),
        Fact("size of heads", columns["bone_scales"][:, HEAD], "times the body's own", (0, 2.5), about="as drawn"),
        Fact("arms", drawn["arm / torso"], "times the torso", (0, 3), about="length in the picture"),
        Fact("legs", drawn["leg / torso"], "times the torso", (0, 4), about="length in the picture"),
        Fact("facing", facing(columns["pose"]), "degrees", (-180, 180), about="away from the viewer; above 0 to his right"),
        Fact("elevation", elevation(columns["camera_R"]), "degrees", (-60, 60), about="of the camera; above 0 it looks down"),
        Fact("field of view", field_of_view(columns["camera_K"]), "degrees", (0, 60), about="1 is as good as parallel"),
        Fact("height", box[:, 3] - box[:, 1], "of the picture's", (0, 1.5), about="of the figure; above 1 it is cut"),
        Fact("visible joints", (columns["visibility"] == VISIBLE).sum(1), "of 16", (-0.5, 16.5), 17, "neither hidden nor outside"),
        *(Fact(name, joints[:, which] / side[:, None, None], about="density") for name, which in places.items()),
    ]


def facing(pose: np.ndarray) -> np.ndarray:
    """By how much (N,) pelvises of poses (N, 24, 3) in the camera frame are turned from the viewer, degrees; to his right above 0."""
    forward = matrix_from_axis_angle(pose[:, 0])[:, :, 2]
    return np.degrees(np.arctan2(forward[:, 0], -forward[:, 2]))


def elevation(camera_R: np.ndarray) -> np.ndarray:
    """By how much (N,) cameras (N, 3, 3), world to camera, look down, degrees."""
    return np.degrees(np.arcsin(np.clip(-camera_R[:, 2, 1], -1, 1)))


def field_of_view(camera_K: np.ndarray) -> np.ndarray:
    """Degrees (N,) over the picture's side of intrinsics (N, 3, 3): what camera.focal_of was given."""
    return np.degrees(2 * np.arctan(camera_K[:, 0, 2] / camera_K[:, 0, 0]))
