"""The qualitative grid: a sketch with the joints found in it, the figure in 3D from front and side, and the truth beside."""

from collections.abc import Sequence

import cv2
import numpy as np

from manifests.skeleton import EDGES, JOINTS

CELL, HEAD, PLOT = 192, 24, 360
COLUMNS = ("sketch", "found", "front", "side", "true", "front", "side")
METRES = 2.4  # across a cell of the 3D views
SIDES = {"right": (220, 90, 30), "left": (30, 90, 220)}
MIDDLE, INK, PAPER = (90, 90, 90), (40, 40, 40), 255


def row(image: np.ndarray, name: str, found: tuple[np.ndarray, np.ndarray], true: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """One row (CELL + HEAD, 7 CELL, 3) uint8 RGB of a picture (S, S, 3); found and true: joints2d (16, 2) px and joints3d (16, 3) m."""
    sketch = cv2.resize(image, (CELL, CELL), interpolation=cv2.INTER_AREA if image.shape[0] > CELL else cv2.INTER_CUBIC)
    scale = CELL / image.shape[0]
    cells = [sketch]
    for joints2d, joints3d in (found, true):
        cells += [_bones(sketch // 2 + 127, joints2d * scale), _view(joints3d, (0, 1), 2), _view(joints3d, (2, 1), 0)]
    return np.concatenate([_caption([name]), np.concatenate(cells, axis=1)])


def grid(rows: list[np.ndarray]) -> np.ndarray:
    """Rows below one another under the names of their columns."""
    return np.concatenate([_caption(COLUMNS), *rows])


def reliability(bins: list[dict]) -> np.ndarray:
    """Share of joints found over their confidence (PLOT, PLOT, 3) uint8 RGB; what lies on the diagonal means what it says."""
    canvas = np.full((PLOT, PLOT, 3), PAPER, np.uint8)
    inner = PLOT - 2 * HEAD

    def at(x: float, y: float) -> tuple[int, int]:
        return HEAD + round(x * inner), PLOT - HEAD - round(y * inner)

    cv2.rectangle(canvas, at(0, 0), at(1, 1), MIDDLE)
    cv2.line(canvas, at(0, 0), at(1, 1), MIDDLE, 1, cv2.LINE_AA)
    most = max((b["joints"] for b in bins), default=1)
    for b in bins:
        cv2.circle(canvas, at(b["confidence"], b["found"]), 3 + round(9 * (b["joints"] / most) ** 0.5), SIDES["left"], -1, cv2.LINE_AA)
    for words, spot in (("confidence", (PLOT // 2 - 40, PLOT - 7)), ("found", (4, HEAD - 7)), ("size: joints", (PLOT - 110, HEAD - 7))):
        cv2.putText(canvas, words, spot, cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
    return canvas


def _view(joints: np.ndarray, axes: tuple[int, int], depth: int) -> np.ndarray:
    canvas = np.full((CELL, CELL, 3), PAPER, np.uint8)
    centre = joints[:, axes].max(0) / 2 + joints[:, axes].min(0) / 2
    # Seen from the side the viewer stands at the figure's +x: what has a larger x is nearer.
    far = joints[:, depth] if depth == 2 else -joints[:, depth]
    return _bones(canvas, (joints[:, axes] - centre) * (CELL / METRES) + CELL / 2, far)


def _bones(canvas: np.ndarray, joints: np.ndarray, far: np.ndarray | None = None) -> np.ndarray:
    canvas = np.ascontiguousarray(canvas)
    order = range(len(EDGES)) if far is None else sorted(range(len(EDGES)), key=lambda e: -far[list(EDGES[e])].sum())
    for edge in order:
        start, end = (tuple(int(v) for v in np.round(joints[joint] * 16 - 8)) for joint in EDGES[edge])
        cv2.line(canvas, start, end, _colour(EDGES[edge]), 2, cv2.LINE_AA, 4)
    return canvas


def _colour(edge: tuple[int, int]) -> tuple[int, int, int]:
    return SIDES.get(JOINTS[edge[1]].partition("_")[0], MIDDLE)


def _caption(words: Sequence[str]) -> np.ndarray:
    strip = np.full((HEAD, CELL * len(COLUMNS), 3), PAPER, np.uint8)
    for index, text in enumerate(words):
        cv2.putText(strip, text, (index * CELL + 6, HEAD - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
    return strip
