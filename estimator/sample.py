"""A sample as networks want it: the picture decoded and scaled, the labels as arrays. Nothing in a shard is trusted."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from manifests.skeleton import LEFT_HIP, RIGHT_HIP
from stages.body.rotations import matrix_from_axis_angle
from stages.shards.read import Packed, decoded, opened

# Far above any picture of ours: one that claims more is refused before it is decoded.
MOST_PIXELS = 2048 * 2048
_AS_STORED = ("betas", "bone_scales", "depth_step", "foreshortening", "limb_order", "contacts", "camera_R", "camera_t")


@dataclass(frozen=True)
class Sample:
    """One sketch with its labels, the picture scaled to `size` pixels a side.

    image (S, S, 3) uint8 RGB; joints2d (16, 2) px and bbox (4,) px of that picture; visibility (16,) as in the schema;
    pose (24, 3, 3), the root in the camera frame; betas (10,); bone_scales (24,);
    joints3d (16, 3) m of the body and joints3d_drawn (16, 3) m of the drawn proportions: camera frame, from their hips' midpoint;
    hips (3,) m: the drawn hips' midpoint in the camera frame, so that camera_K (3, 3) projects joints3d_drawn + hips to joints2d;
    camera_R (3, 3), camera_t (3,): world to camera; depth_step (15,), foreshortening (15,), limb_order (30,), contacts (15, 15):
    as in the schema.
    """

    sample_id: str
    style: str
    image: np.ndarray
    joints2d: np.ndarray
    visibility: np.ndarray
    joints3d: np.ndarray
    pose: np.ndarray
    betas: np.ndarray
    bone_scales: np.ndarray
    joints3d_drawn: np.ndarray
    hips: np.ndarray
    depth_step: np.ndarray
    foreshortening: np.ndarray
    limb_order: np.ndarray
    contacts: np.ndarray
    bbox: np.ndarray
    camera_K: np.ndarray
    camera_R: np.ndarray
    camera_t: np.ndarray


def decode(packed: Packed, size: int | None = None) -> Sample:
    """The sample, its picture `size` pixels a side, or as it is stored. Raises BadShard."""
    image = decoded(packed, "picture", lambda: _decode_image(packed.image))
    words, labels = opened(packed)
    stored, size = len(image), size or len(image)
    scale, drawn = np.float32(size / stored), labels["joints3d_drawn"]
    return Sample(
        sample_id=packed.sample_id,
        style=words["style"],
        image=image if stored == size else cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA),
        joints2d=labels["joints2d"] * scale,
        visibility=labels["visibility"],
        joints3d=from_hips(labels["joints3d"]),
        pose=matrix_from_axis_angle(labels["pose"]).astype(np.float32),
        joints3d_drawn=from_hips(drawn),
        hips=drawn[[RIGHT_HIP, LEFT_HIP]].mean(0),
        bbox=labels["bbox"] * scale,
        camera_K=labels["camera_K"] * np.array([[scale], [scale], [1]], np.float32),
        **{name: labels[name] for name in _AS_STORED},
    )


def from_hips(joints3d: np.ndarray) -> np.ndarray:
    """Joints (..., 16, 3) counted from the midpoint of the hips."""
    return joints3d - joints3d[..., (RIGHT_HIP, LEFT_HIP), :].mean(-2, keepdims=True)


def _decode_image(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as header:  # reads no pixels yet
        width, height = header.size
    if width != height or width * height > MOST_PIXELS:
        raise ValueError(f"expected a square picture of at most {MOST_PIXELS} pixels, got {width}x{height}")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (height, width, 3):
        raise ValueError("damaged picture")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
