"""Hair, as shapes around the skull that hide what lies behind them and are hidden by what lies before."""

from itertools import pairwise

import cv2
import numpy as np

from stages.sketches.drawing import lines
from stages.sketches.drawing.anatomy import HEAD, Head, Surface
from stages.sketches.drawing.dressed import HAIR, Dressed

# How far hair stands off the skull, in skull radii.
_VOLUME = {"bald": 0.0, "short": 0.08, "bob": 0.2, "long": 0.16, "curly": 0.3, "bun": 0.08, "ponytail": 0.08, "spiky": 0.1}


def add_hair(dressed: Dressed, surface: Surface) -> None:
    """Grow the hair of the figure's look, in place."""
    head, on_head = dressed.head, surface.part == HEAD
    if dressed.look.hair_shape != "bald":
        scalp = _scalp(dressed, surface, on_head)
        _put(dressed, _behind(dressed), HAIR, lines.HAIR, _depth(head, -0.75))
        _put(dressed, _grown(dressed, scalp), HAIR, lines.HAIR, _depth(head, 0.0))
        _paint(dressed, scalp, HAIR, lines.HAIR)


def _depth(head: Head, front: float) -> float:
    """Depth in metres of a point that lies `front` radii before the skull's centre."""
    return float(head.centre[2] + head.front[2] * head.radii[2] * front)


def _own(dressed: Dressed, surface: Surface, on_head: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates (n, 3) on the head in radii (left, up, front), rows and columns of its pixels."""
    head = dressed.head
    local = (surface.points[on_head] - head.centre) @ np.stack([head.left, head.up, head.front]).T / head.radii
    return local, surface.rows[on_head], surface.columns[on_head]


def _scalp(dressed: Dressed, surface: Surface, on_head: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool of the head that carry hair: above the brow, behind the ears, down to the nape."""
    local, rows, columns = _own(dressed, surface, on_head)
    left, up, front = local.T
    low = {"bob": -0.7, "long": -0.9, "curly": -0.35}.get(dressed.look.hair_shape, -0.5)
    parting = 0.12 * left * (1 if dressed.look.neckline > 0.3 else -1)  # the fringe falls to one side or the other
    mask = np.zeros(dressed.region.shape, bool)
    mask[rows, columns] = ((up > 0.5 + parting) & (front < 0.95)) | ((front < 0.12 + 0.25 * up) & (up > low))
    return mask


def _grown(dressed: Dressed, scalp: np.ndarray) -> np.ndarray:
    """The scalp with its volume of hair, bumpy or spiky where the look says so; a hat holds it down."""
    shape, head = dressed.look.hair_shape, dressed.head
    mask = np.zeros(scalp.shape, np.uint8)
    volume = head.radius * _VOLUME[shape]
    for contour in cv2.findContours(scalp.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
        path = contour[:, 0] + 0.5
        if shape == "spiky":
            _spikes(mask, path, head)
        elif shape == "curly":
            for point in path[:: max(1, int(head.radius * 0.42))]:
                _blob(mask, point, 1.2 * volume)
        else:
            cv2.polylines(mask, [contour], True, 1, 2 * round(volume) + 1)
    lowest = -9.0 if shape in ("bob", "long", "curly") else -0.2
    return (mask > 0) & _between(head, len(mask), lowest, 0.35 if dressed.look.hat != "none" else 9.0)


def _between(head: Head, size: int, low: float, high: float) -> np.ndarray:
    """Pixels (size, size) bool between two heights on the head as it is seen, in skull radii from its middle."""
    up = head.at(0, 1, 0) - head.place
    length = up @ up + 1e-6
    y, x = np.ogrid[:size, :size]
    height = ((x + 0.5 - head.place[0]) * up[0] + (y + 0.5 - head.place[1]) * up[1]) / length
    return (height > low) & (height < high)


def _spikes(mask: np.ndarray, path: np.ndarray, head: Head) -> None:
    out = path - head.place
    distance = np.linalg.norm(out, axis=1)
    up2d = head.at(0, 1, 0) - head.at(0, 0, 0)
    for k in range(0, len(path), max(2, int(head.radius * 0.45))):
        if distance[k] > 0.6 * head.radius and out[k] @ up2d > -0.2 * head.radius**2:
            tip = path[k] + out[k] / distance[k] * head.radius * 0.42
            _lock(mask, np.stack([path[k], tip]), head.radius * np.array([0.22, 0.02]))


def _behind(dressed: Dressed) -> np.ndarray:
    """Hair (H, W) bool that hangs or is tied behind the head, as seen if nothing hid it."""
    shape, head = dressed.look.hair_shape, dressed.head
    mask = np.zeros(dressed.region.shape, np.uint8)
    if shape in ("bob", "long"):
        _mane(mask, head, 1.0 if shape == "bob" else 1.7 + 0.7 * dressed.look.flare)
    if shape == "bun" and dressed.look.hat == "none":
        _blob(mask, head.at(0, 0.85, -0.85), 0.42 * head.radius)
    if shape == "ponytail":
        high = 0.55 if dressed.look.hat == "none" else 0.0
        root, fall = head.at(0, high, -1.0), head.at(0, high - 1.45, -1.5)
        bend = (root + fall) / 2 + 0.3 * (head.at(0, 0, -1.6) - head.at(0, 0, -1))
        _lock(mask, np.stack([root, bend, fall]), head.radius * np.array([0.2, 0.3, 0.06]))
    return mask > 0


def _mane(mask: np.ndarray, head: Head, length: float) -> None:
    """Loose hair down to so many skull radii: partly along the neck, partly straight down."""
    fall = 0.6 * (head.at(0, -1, -0.4) - head.at(0, 0, -0.4)) + 0.4 * np.array([0, head.radius])
    sides = [head.at(s * 1.08, 0.3, -0.35) for s in (-1, 1)]
    ends = [head.at(s * 0.95, 0.1, -0.7) + fall * length for s in (-1, 1)]
    hull = cv2.convexHull(np.array([*sides, head.at(0, 0.4, -1.1), *ends, np.mean(ends, 0) + 0.12 * fall], np.float32))
    _fill(mask, hull[:, 0])


def _blob(mask: np.ndarray, centre: np.ndarray, radius: float) -> None:
    x, y, r = (int(v) for v in np.round(np.clip([*(centre - 0.5), radius], -999, 999) * 16))
    cv2.circle(mask, (x, y), r, 1, -1, cv2.LINE_8, 4)


def _lock(mask: np.ndarray, path: np.ndarray, radii: np.ndarray) -> None:
    """A lock of hair along a path (n, 2) px with radii (n,) px."""
    turn = np.linspace(0, 2 * np.pi, 9)[:-1]
    round_ends = path[:, None] + radii[:, None, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    for one, other in pairwise(round_ends):
        _fill(mask, cv2.convexHull(np.concatenate([one, other]).astype(np.float32))[:, 0])


def _fill(mask: np.ndarray, corners: np.ndarray) -> None:
    cv2.fillPoly(mask, [np.round((np.clip(corners, -999, 999) - 0.5) * 16).astype(np.int32)], 1, cv2.LINE_8, 4)


def _put(dressed: Dressed, mask: np.ndarray, region: int, piece: int, depth: float) -> None:
    """Place a shape at a depth: it shows where nothing of the figure is nearer."""
    shown = mask & (depth < dressed.depth)
    dressed.normal[shown & ~dressed.mask] = (0, -0.3, -0.95)
    _paint(dressed, shown, region, piece)
    dressed.depth[shown] = depth


def _paint(dressed: Dressed, mask: np.ndarray, region: int, piece: int) -> None:
    dressed.region[mask] = region
    dressed.piece[mask] = piece
