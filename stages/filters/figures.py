"""Is there another figure? What the detector takes for a figure should lie where the labelled one is."""

import cv2
import numpy as np

from manifests.skeleton import EDGES
from stages.detector.crops import PICTURE, apply, picture_matrix
from stages.filters.look import Look, unit_of

_LIMB = 0.9  # torso lengths: the width of what a bone stands for, with clothes and room for a line that strays
_HEAD = 1.8  # lengths from head to neck: the radius of the head, with its hair
_TRUNK = (2, 5, 11, 8)  # shoulders and hips, around


def check(look: Look, least: float) -> tuple[bool, str, float]:
    """(keep, reason, share of the picture in which nobody else is seen)."""
    elsewhere = look.figure * ~silhouette(look, len(look.figure))
    score = 1 - float(elsewhere.mean())
    keep = score >= least
    return keep, "" if keep else "another figure", score


def silhouette(look: Look, cells: int) -> np.ndarray:
    """Cells (cells, cells) bool of the detector's square that the labelled figure touches, drawn generously."""
    matrix = picture_matrix(*look.image.shape[:2])
    spots = [(int(x), int(y)) for x, y in np.clip(apply(matrix, look.joints), -999, 999)]
    scale = float(matrix[0, 0])
    drawn = np.zeros((PICTURE, PICTURE), np.uint8)
    for a, b in EDGES:
        cv2.line(drawn, spots[a], spots[b], 255, max(2, int(_LIMB * unit_of(look) * scale)))
    cv2.fillConvexPoly(drawn, cv2.convexHull(np.array([spots[joint] for joint in _TRUNK], np.int32)), 255)
    radius = _HEAD * float(np.linalg.norm(look.joints[0] - look.joints[1])) * scale
    cv2.circle(drawn, spots[0], int(min(radius, 999)), 255, -1)
    return np.asarray(cv2.resize(drawn, (cells, cells), interpolation=cv2.INTER_AREA)) > 0
