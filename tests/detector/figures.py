"""Drawings that need no renderer: one matchstick figure on plain paper, each joint in its own colour."""

import cv2
import numpy as np

from manifests.skeleton import EDGES
from stages.detector.drawings import Drawings
from stages.pictures import png

SIDE = 256
# px of a figure 200 px high whose neck is at the origin, in the order of skeleton.JOINTS.
_STAND = np.array([
    (0, -25), (0, 0), (-25, 5), (-32, 40), (-36, 75), (25, 5), (32, 40), (36, 75),
    (-14, 75), (-16, 118), (-18, 160), (14, 75), (16, 118), (18, 160), (28, 168), (-28, 168),
], float)  # fmt: skip


def figure(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture (256, 256, 3) uint8 RGB and its joints (16, 2) px."""
    rng = np.random.default_rng(seed)
    joints = _STAND + rng.normal(0, 9, _STAND.shape)
    joints = joints * rng.uniform(0.8, 1.05) + (rng.uniform(100, 156), 60)
    image = np.full((SIDE, SIDE, 3), 235, np.uint8)
    spots = [(int(x), int(y)) for x, y in joints]
    for a, b in EDGES:
        colour = (int(20 * (a % 8)), int(12 * b), int(255 - 16 * b))
        cv2.line(image, spots[a], spots[b], colour, 5, cv2.LINE_AA)
    cv2.circle(image, spots[0], 14, (90, 60, 20), 3, cv2.LINE_AA)
    return image, joints


def drawings(count: int, first: int = 0) -> Drawings:
    """So many figures; styles in turn, every joint visible but the last, which is occluded."""
    images, joints = zip(*(figure(first + i) for i in range(count)), strict=True)
    points = np.stack(joints).astype(np.float32)
    visibility = np.full((count, 16), 2, np.uint8)
    visibility[:, 15] = 1
    boxes = np.concatenate([points.min(1) - 8, points.max(1) + 8], 1)
    encoded = [png(image) for image in images]
    return Drawings(encoded, points, visibility, boxes, np.arange(count, dtype=np.uint8) % 6)
