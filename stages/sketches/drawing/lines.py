"""The lines of a drawn figure as polylines: edges, where one limb ends before something behind it, and seams of clothes and hair."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from stages.sketches.drawing.pen import smooth

if TYPE_CHECKING:
    from stages.sketches.drawing.dressed import Dressed

# What the eye sees as one piece of the figure; the first fifteen come from SMPL's parts, the rest is worn.
TORSO, NECK, HEAD = 1, 2, 3
ARMS, LEGS = ((4, 5, 6), (7, 8, 9)), ((10, 11, 12), (13, 14, 15))
HAIR, SKIRT, HAT = 16, 17, 18
_PART_PIECES = (1, 10, 13, 1, 11, 14, 1, 12, 15, 1, 12, 15, 2, 1, 1, 3, 4, 7, 5, 8, 6, 9, 6, 9)
PIECE_OF_PART = np.array((0, *_PART_PIECES), np.uint8)

_GROWN_TOGETHER = (
    (TORSO, NECK), (NECK, HEAD), (HEAD, HAIR), (HEAD, HAT), (HAIR, HAT), (TORSO, SKIRT),
    *((TORSO, limb[0]) for limb in ARMS + LEGS), *((limb[k], limb[k + 1]) for limb in ARMS + LEGS for k in (0, 1)),
)  # fmt: skip


def _joined() -> np.ndarray:
    table = np.eye(19, dtype=bool)
    for a, b in _GROWN_TOGETHER:
        table[a, b] = table[b, a] = True
    return table


_JOINED = _joined()
_REACH = 4.0  # px over which one line carries on another
_STEP = 0.045  # metres of depth that make an edge between pieces which grow together


@dataclass(frozen=True)
class Line:
    """points (N, 2) px; edge: an outline, else a seam; piece: what it bounds."""

    points: np.ndarray
    edge: bool
    piece: int


def trace(figure: "Dressed", rounds: int) -> list[Line]:
    """Lines of a dressed figure, outlines first, in units; rounds of smoothing."""
    edge = _edges(figure)
    lines = _follow(figure.piece, edge, rounds, True)
    near_edge = cv2.dilate(edge.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return lines + _follow(figure.region, _seams(figure.region) & ~near_edge, rounds, False)


def _neighbours(image: np.ndarray):
    padded = np.pad(image, 1, mode="edge")
    h, w = image.shape
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        yield padded[dy : dy + h, dx : dx + w]


def _edges(figure: "Dressed") -> np.ndarray:
    """Pixels (H, W) bool on the near side of an edge: of another piece or of nothing, or of the same piece farther back."""
    piece, depth, slant = figure.piece, figure.depth, _slant(figure)
    edge = np.zeros(piece.shape, bool)
    for other, behind in zip(_neighbours(piece), _neighbours(depth), strict=True):
        step = behind - depth
        grown = _JOINED[piece, other]
        edge |= (piece > 0) & np.where(grown, step > _STEP + slant * (piece == other), (step >= 0) & (other != piece))
    return edge


def _slant(figure: "Dressed") -> np.ndarray:
    """Metres (H, W) by which a surface may fall back within a pixel because it is seen from the side, with some slack."""
    facing = np.clip(-figure.normal[..., 2], 0.12, 1)
    return 2.5 * figure.depth / figure.body.camera_K[0, 0] * np.sqrt(1 / facing**2 - 1)


def _seams(region: np.ndarray) -> np.ndarray:
    seam = np.zeros(region.shape, bool)
    for other in _neighbours(region):
        seam |= (other > 0) & (other < region)
    return seam


def _follow(codes: np.ndarray, wanted: np.ndarray, rounds: int, edge: bool) -> list[Line]:
    """Walk around every area of one code and keep the stretches that lie on wanted pixels."""
    lines = []
    for code in np.unique(codes[wanted]):
        contours, _ = cv2.findContours((codes == code).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        for contour in contours:
            path = contour[:, 0]
            if len(path) >= 6:
                lines += [Line(run, edge, int(code)) for run in _runs(path, wanted[path[:, 1], path[:, 0]], rounds)]
    return _link(lines)


def _runs(path: np.ndarray, on: np.ndarray, rounds: int) -> list[np.ndarray]:
    """Smoothed stretches of a closed path (N, 2) of pixels where `on` holds; short holes are bridged."""
    line = smooth(path + 0.5, rounds, closed=True)
    if on.all():
        return [np.concatenate([line, line[:1]])]
    first = int(np.argmin(on))
    line, on = np.roll(line, -first, 0), np.roll(on, -first)
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(np.int8), [0]])))
    starts, ends = list(bounds[::2]), list(bounds[1::2])
    for k in range(len(starts) - 1, 0, -1):
        if starts[k] - ends[k - 1] <= 3:
            ends[k - 1] = ends.pop(k)
            starts.pop(k)
    return [line[a:b] for a, b in zip(starts, ends, strict=True) if b - a >= 4]


def _link(lines: list[Line]) -> list[Line]:
    """Join lines whose ends meet and run on in the same direction, as an outline does from thigh to shin."""
    rest, out = list(lines), []
    while rest:
        line = rest.pop()
        while (k := _next(line, rest)) is not None:
            other = rest.pop(k)
            line = Line(np.concatenate([line.points, other.points]), line.edge, line.piece)
        out.append(line)
    return _link_once_more(out, lines)


def _link_once_more(out: list[Line], before: list[Line]) -> list[Line]:
    """A line found late may be the head of one found early."""
    return out if len(out) == len(before) else _link(out)


def _next(line: Line, others: list[Line]) -> int | None:
    """Index of the line that carries on where this one ends."""
    end, way = line.points[-1], _way(line.points[-5:])
    for k, other in enumerate(others):
        if np.abs(other.points[0] - end).max() <= _REACH and way @ _way(other.points[:5]) > 0.4:
            return k
    return None


def _way(points: np.ndarray) -> np.ndarray:
    step = points[-1] - points[0]
    return step / (np.linalg.norm(step) + 1e-9)
