"""The qualitative grid: a sketch, the joints found in it, the body over it and from the side, and the truth beside; and plots."""

from collections.abc import Sequence

import cv2
import numpy as np

from estimator.figure import Figure
from estimator.intervals import Value
from estimator.overlay import views
from stages.body.model import BodyModel

CELL, HEAD, PLOT = 224, 24, 360
COLUMNS = ("sketch", "joints", "body", "side", "true joints", "true body", "side")
DOTS, FRAME, INK, PAPER = (30, 90, 220), (90, 90, 90), (40, 40, 40), 255


def row(image: np.ndarray, name: str, found: Figure, true: Figure, body: BodyModel) -> np.ndarray:
    """One row (CELL + HEAD, 7 CELL, 3) uint8 RGB of a picture (S, S, 3) and figures in its px."""
    side = len(image)
    sketch = cv2.resize(image, (CELL, CELL), interpolation=cv2.INTER_AREA if side > CELL else cv2.INTER_CUBIC)
    matrix, pale = CELL / side * np.eye(2, 3), sketch // 2 + 127  # lines show on any ground
    cells = [sketch, *(views(pale, figure, (side, side), matrix, body) for figure in (found, true))]
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

    cv2.rectangle(canvas, at(0, 0), at(1, 1), FRAME)
    cv2.line(canvas, at(0, 0), at(1, 1), FRAME, 1, cv2.LINE_AA)
    most = max((b["joints"] for b in bins), default=1)
    for b in bins:
        cv2.circle(canvas, at(b["confidence"], b["found"]), 3 + round(9 * (b["joints"] / most) ** 0.5), DOTS, -1, cv2.LINE_AA)
    for words, spot in (("confidence", (PLOT // 2 - 40, PLOT - 7)), ("found", (4, HEAD - 7)), ("size: joints", (PLOT - 110, HEAD - 7))):
        _word(canvas, words, spot)
    return canvas


def curve(sizes: Sequence[int], values: Sequence[Value], title: str) -> np.ndarray:
    """A metric with its intervals over sizes, which stand apart as their logarithms (PLOT, 2 PLOT, 3) uint8 RGB."""
    canvas = np.full((PLOT, 2 * PLOT, 3), PAPER, np.uint8)
    ends = [(v["low"] or 0.0, v["value"] or 0.0, v["high"] or 0.0) for v in values]
    least, most = min(low for low, _, _ in ends), max(high for _, _, high in ends)
    logs = np.log(sizes)
    x = 3 * HEAD + (logs - logs[0]) / max(np.ptp(logs), 1e-9) * (2 * PLOT - 6 * HEAD)
    y = PLOT - 2 * HEAD - (np.array(ends) - least) / max(most - least, 1e-9) * (PLOT - 4 * HEAD)
    spots = [(round(at), round(middle)) for at, (_, middle, _) in zip(x, y, strict=True)]
    cv2.polylines(canvas, [np.array(spots, np.int32)], False, DOTS, 2, cv2.LINE_AA)
    for spot, (low, _, high), size, (_, value, _) in zip(spots, y, sizes, ends, strict=True):
        cv2.line(canvas, (spot[0], round(low)), (spot[0], round(high)), FRAME, 1, cv2.LINE_AA)
        cv2.circle(canvas, spot, 4, DOTS, -1, cv2.LINE_AA)
        _word(canvas, f"{value:.3g}", (spot[0] + 6, spot[1] - 6))
        _word(canvas, f"{size}", (spot[0] - 16, PLOT - 7))
    _word(canvas, title, (6, HEAD - 7))
    return canvas


def _word(canvas: np.ndarray, text: str, spot: tuple[int, int]) -> None:
    cv2.putText(canvas, text, spot, cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)


def _caption(words: Sequence[str]) -> np.ndarray:
    strip = np.full((HEAD, CELL * len(COLUMNS), 3), PAPER, np.uint8)
    for index, text in enumerate(words):
        _word(strip, text, (index * CELL + 6, HEAD - 7))
    return strip
