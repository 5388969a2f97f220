"""The drawn figure, rebuilt from a row's labels alone: what the drawing renderer and previews work from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stages.body.camera import project
from stages.body.model import BodyModel, Posed
from stages.body.raster import rasterize

LABELS = ("pose", "betas", "bone_scales", "transl", "camera_K")  # of a row, that make its figure


@dataclass(frozen=True)
class Figure:
    """A body with drawn proportions before the camera. Camera frame: x right, y down, z away from the viewer, metres.

    vertices (V, 3), joints (24, 3) of SMPL and joints16 (16, 3) of skeleton.JOINTS: camera frame.
    joints2d (24, 2) and joints16_2d (16, 2): pixels from the top-left corner, pixel centres at +0.5.
    depth (size, size) float32 metres, 0 where there is no body. normal (size, size, 3) float32, unit, camera frame
    (towards the viewer is -z). part (size, size) uint8: 0 nothing, else 1 + the SMPL joint whose skin it is.
    face (size, size) int32: index of the face, -1 where there is none.
    bone_scales (24,) and camera_K (3, 3) as in the labels.
    """

    vertices: np.ndarray
    joints: np.ndarray
    joints16: np.ndarray
    joints2d: np.ndarray
    joints16_2d: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    part: np.ndarray
    face: np.ndarray
    size: int
    bone_scales: np.ndarray
    camera_K: np.ndarray


def make_figure(
    body: BodyModel, pose: np.ndarray, betas: np.ndarray, bone_scales: np.ndarray, transl: np.ndarray, camera_K: np.ndarray, size: int
) -> Figure:
    """The figure of a row's labels: pose (24, 3) with the root in the camera frame, betas (10,), bone_scales (24,), transl (3,),
    camera_K (3, 3), and the picture's side in pixels. Equal labels give equal bytes."""
    pose, betas, scales, transl, K = (np.asarray(a, np.float64) for a in (pose, betas, bone_scales, transl, camera_K))
    return figure_of(body, body.pose(pose, betas, scales), scales, transl, K, size)


def figure_of_row(body: BodyModel, row: Mapping[str, np.ndarray], size: int, scale: float = 1.0) -> Figure:
    """The figure of a row (its LABELS, shaped as make_figure wants them) in a picture whose pixels are `scale` to one of the labels'."""
    labels = {name: row[name] for name in LABELS}
    return make_figure(body, **{**labels, "camera_K": np.diag([scale, scale, 1]) @ row["camera_K"]}, size=size)


def figure_of(body: BodyModel, posed: Posed, bone_scales: np.ndarray, transl: np.ndarray, camera_K: np.ndarray, size: int) -> Figure:
    """The figure of a posed body, float64 as make_figure has it."""
    scales, K = bone_scales, camera_K
    vertices, joints, joints16 = posed.vertices + transl, posed.joints + transl, posed.joints16 + transl
    buffers = rasterize(vertices, body.faces, body.face_parts, K, size)
    return Figure(
        vertices, joints, joints16, project(joints, K), project(joints16, K),
        buffers.depth, buffers.normal, buffers.part, buffers.face, size, scales, K,
    )  # fmt: skip
