"""Is the figure where the labels say? The lines of the picture and the detector are asked, and the better answer counts.

After Sketch2PoseNet: the smallest region that holds most Canny edges, against the detector's box.
"""

import cv2
import numpy as np

from stages.detector.metrics import overlap
from stages.filters.look import Look

_CELLS = 32  # of the grid on which the smallest region is looked for, along a side
_MOST = 0.9  # of all edge pixels lie in it
_CANNY = (60, 160)


def check(look: Look, least: float) -> tuple[bool, str, float]:
    """(keep, reason, overlap of the labelled box, as far as it is in the picture, with the better of the two found)."""
    height, width = look.image.shape[:2]
    labelled, found = (np.clip(box, 0, np.tile([width, height], 2)) for box in (look.box, look.found_box))
    boxes = np.stack([found, edge_box(look.image)])
    score = float(overlap(boxes, np.tile(labelled, (2, 1))).max())
    keep = score >= least
    return keep, "" if keep else "the figure is elsewhere", score


def edge_box(image: np.ndarray) -> np.ndarray:
    """The smallest box (4,) px, to a cell of the grid, that holds most of the edges of an RGB picture; the whole of it without edges."""
    edges = cv2.Canny(cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (3, 3), 0), *_CANNY)
    height, width = edges.shape
    if not edges.any():
        return np.array([0.0, 0.0, width, height])
    counts = cv2.resize((edges > 0).astype(np.float32), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    first, last = np.triu_indices(_CELLS)  # of rows, and of columns
    below = np.pad(counts.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    bands = below[last + 1] - below[first]
    held = bands[:, last + 1] - bands[:, first]  # (rows, columns)
    tall = last + 1 - first
    area = np.where(held >= _MOST * counts.sum() - 1e-4, tall[:, None] * tall, _CELLS**2 + 1)
    row, column = np.unravel_index(int(area.argmin()), area.shape)
    cell = np.array([width, height, width, height]) / _CELLS
    return np.array([first[column], first[row], last[column] + 1, last[row] + 1]) * cell
