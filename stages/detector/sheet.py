"""A contact sheet: what was found, over the drawings, for looking at."""

import cv2
import numpy as np

from manifests.skeleton import EDGES, JOINTS, STYLES
from stages.detector.cache import Drawings
from stages.detector.detect import Detections

_COLUMNS, _SIDE = 10, 256
_RIGHT, _LEFT, _MIDDLE, _TRUE, _BOX = (230, 60, 40), (30, 110, 230), (40, 160, 60), (250, 190, 0), (150, 150, 150)  # RGB


def contact_sheet(drawings: Drawings, found: Detections) -> np.ndarray:
    """A row of ten drawings of each style (6 * 256, 10 * 256, 3) uint8 RGB: found bones, right ones red, left ones blue;
    true joints as yellow dots; the found box; faint where the detector is unsure."""
    sheet = np.full((len(STYLES) * _SIDE, _COLUMNS * _SIDE, 3), 255, np.uint8)
    for style in range(len(STYLES)):
        for column, row in enumerate(np.flatnonzero(drawings.styles == style)[:_COLUMNS].tolist()):
            place = sheet[style * _SIDE : (style + 1) * _SIDE, column * _SIDE : (column + 1) * _SIDE]
            place[:] = _tile(drawings.picture(row), drawings.joints[row], found, row)
    return sheet


def _tile(image: np.ndarray, true: np.ndarray, found: Detections, row: int) -> np.ndarray:
    scale = _SIDE / max(image.shape[:2])
    tile = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile[: small.shape[0], : small.shape[1]] = small
    spots = [(int(x), int(y)) for x, y in np.clip(found.joints[row] * scale, -999, 999)]
    for a, b in EDGES:
        width = 2 if min(found.confidence[row, [a, b]]) > 0.4 else 1
        cv2.line(tile, spots[a], spots[b], _colour(b), width, cv2.LINE_AA)
    for x, y in np.clip(true * scale, -999, 999):
        cv2.circle(tile, (int(x), int(y)), 2, _TRUE, -1, cv2.LINE_AA)
    x0, y0, x1, y1 = np.clip(found.boxes[row] * scale, -999, 999).astype(int).tolist()
    cv2.rectangle(tile, (x0, y0), (x1, y1), _BOX, 1)
    return tile


def _colour(joint: int) -> tuple[int, int, int]:
    side = JOINTS[joint].partition("_")[0]
    return {"right": _RIGHT, "left": _LEFT}.get(side, _MIDDLE)
