"""What was found, over the picture, for looking at."""

import cv2
import numpy as np

from manifests.skeleton import EDGES, JOINTS

CELL = 256
_SIDES = {"right": (220, 90, 30), "left": (30, 90, 220)}
_MIDDLE, _TRUE, _BOX = (30, 140, 60), (255, 230, 0), (150, 150, 150)


def cell(image: np.ndarray, box: np.ndarray, found: np.ndarray, true: np.ndarray, sure: np.ndarray | None = None) -> np.ndarray:
    """A picture made paler (CELL, CELL, 3) uint8 RGB, with the box (4,) and the joints (16, 2) px that were found in it, and true ones
    (K, 2) as dots. Right limbs are orange, left ones blue; thin where one of their ends is not sure (16,)."""
    scale = CELL / max(image.shape[:2])
    small = cv2.resize(image, [max(round(side * scale), 1) for side in image.shape[1::-1]], interpolation=cv2.INTER_AREA)
    canvas = np.full((CELL, CELL, 3), 255, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small // 3 * 2 + 85
    cv2.rectangle(canvas, _point(box[:2] * scale), _point(box[2:] * scale), _BOX)
    for start, end in EDGES:
        colour = _SIDES.get(JOINTS[end].partition("_")[0], _MIDDLE)
        width = 2 if sure is None or sure[[start, end]].all() else 1
        cv2.line(canvas, _point(found[start] * scale), _point(found[end] * scale), colour, width, cv2.LINE_AA)
    for joint in true * scale:
        cv2.circle(canvas, _point(joint), 2, _TRUE, -1, cv2.LINE_AA)
    return canvas


def _point(xy: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(np.nan_to_num(xy), -CELL, 2 * CELL).astype(int)
    return int(x), int(y)
