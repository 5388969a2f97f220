"""What the checks are given: a picture, its labels, and what the detector saw in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.detector.detect import Detections, Detector
from stages.detector.metrics import torsos
from stages.pictures import decode

# How far off, over the root of the figure's area, people's own marks of a joint lie (COCO; neck, head and toes after their neighbours).
_SIGMA = np.array([0.06, 0.079, *(0.079, 0.072, 0.062) * 2, *(0.107, 0.087, 0.089) * 2, 0.089, 0.089])
_AT_ONCE = 32  # pictures that are held decoded
_LEAST_TORSO = 0.3  # of the root of the figure's area: of a trunk that is seen from its end


@dataclass(frozen=True, eq=False)
class Look:
    """One sample. image (H, W, 3) uint8 RGB; style of skeleton.STYLES; joints (16, 2) px, visibility (16,) and box (4,) px as labelled.

    found_joints (16, 2) px, confidence (16,), found_box (4,) px, styles (6,) probabilities, figure
    (32, 32) probabilities of there being a figure in the cells of a square about the picture: what the detector saw.
    """

    image: np.ndarray
    style: str
    joints: np.ndarray
    visibility: np.ndarray
    box: np.ndarray
    found_joints: np.ndarray
    confidence: np.ndarray
    found_box: np.ndarray
    styles: np.ndarray
    figure: np.ndarray


def looks_of(images: list[np.ndarray], rows: list[dict], found: Detections) -> list[Look]:
    """A look at each picture; rows hold `style`, `joints2d`, `visibility`, `bbox`."""
    looks = []
    for i, (image, row) in enumerate(zip(images, rows, strict=True)):
        joints, visibility, box = (np.asarray(row[name], np.float64) for name in ("joints2d", "visibility", "bbox"))
        read = found.joints[i], found.confidence[i], found.boxes[i], found.styles[i], found.figures[i]
        looks.append(Look(image, row["style"], joints, visibility, box, *read))
    return looks


def looks_at(detector: Detector, rows: Sequence[dict]) -> list[Look]:
    """A look at each of rows that hold `image`, encoded, and what looks_of wants. Raises ValueError where one is no picture."""
    looks: list[Look] = []
    for first in range(0, len(rows), _AT_ONCE):
        part = list(rows[first : first + _AT_ONCE])
        images = [decode(row["image"]) for row in part]
        if any(image is None for image in images):
            raise ValueError("a picture cannot be decoded")
        pictures = [image for image in images if image is not None]
        looks += looks_of(pictures, part, detector.detect(pictures))
    return looks


def area_of(look: Look) -> float:
    """Pixels of the labelled box."""
    return max(float(np.prod(look.box[2:] - look.box[:2])), 1.0)


def unit_of(look: Look) -> float:
    """The torso's labelled length in px, or what it may well be where it is seen from its end."""
    return max(float(torsos(look.joints[None])[0]), _LEAST_TORSO * area_of(look) ** 0.5)


def closeness(look: Look, order: list[int] | None = None) -> np.ndarray:
    """The OKS of each joint (16,), 1 where it is read at its label. order: which read joint stands for each."""
    found = look.found_joints if order is None else look.found_joints[order]
    off = ((found - look.joints) ** 2).sum(-1)
    return np.exp(-off / (2 * area_of(look) * (2 * _SIGMA) ** 2))
