"""A contact sheet of what a detector found in annotated pictures."""

from pathlib import Path

import cv2
import numpy as np

from manifests.errors import UserError
from manifests.skeleton import EDGES, JOINTS
from stages.annotated.reader import Annotated
from stages.pictures import png
from stages.tensorfile import write_atomically

CELL, COLUMNS, SHOWN = 256, 4, 200
SHEET = "annotated.png"
COLOURS = {"right": (220, 90, 30), "left": (30, 90, 220)}
MIDDLE, TRUE, FRAME = (30, 140, 60), (255, 230, 0), (150, 150, 150)


def write_sheet(out: Path, samples: list[Annotated], boxes: np.ndarray, joints: np.ndarray) -> None:
    """The found joints as bones, right orange and left blue, over the first pictures; dots are the truth, frames the boxes.

    boxes (N, 4) px and joints (N, 16, 2) px, as found in the N samples.
    """
    cells = [_cell(*row) for row in zip(samples[:SHOWN], boxes[:SHOWN], joints[:SHOWN], strict=True)]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    rows = [np.concatenate(cells[i : i + COLUMNS], axis=1) for i in range(0, len(cells), COLUMNS)]
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / SHEET, png(np.concatenate(rows)))
    except OSError as e:
        raise UserError(f"{out}: cannot write the contact sheet there ({e.strerror})") from None


def _cell(sample: Annotated, box: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """One picture (CELL, CELL, 3) uint8 RGB, made paler, with what was found in it."""
    height, width = sample.image.shape[:2]
    scale = CELL / max(height, width)
    small = cv2.resize(sample.image, (max(round(width * scale), 1), max(round(height * scale), 1)), interpolation=cv2.INTER_AREA)
    canvas = np.full((CELL, CELL, 3), 255, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small // 3 * 2 + 85
    cv2.rectangle(canvas, _point(box[:2] * scale), _point(box[2:] * scale), FRAME)
    for start, end in EDGES:
        colour = COLOURS.get(JOINTS[end].partition("_")[0], MIDDLE)
        cv2.line(canvas, _point(joints[start] * scale), _point(joints[end] * scale), colour, 2, cv2.LINE_AA)
    for joint in sample.joints[sample.known] * scale:
        cv2.circle(canvas, _point(joint), 2, TRUE, -1, cv2.LINE_AA)
    return canvas


def _point(xy: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(np.nan_to_num(xy), -CELL, 2 * CELL).astype(int)
    return int(x), int(y)
