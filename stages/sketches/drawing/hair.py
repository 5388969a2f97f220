"""Hair and hats, as shapes around the skull that hide what lies behind them and are hidden by what lies before."""

import cv2
import numpy as np

from stages.sketches.drawing import lines
from stages.sketches.drawing.anatomy import HEAD, Surface
from stages.sketches.drawing.colour import polygon
from stages.sketches.drawing.dressed import HAIR, HAT, Dressed
from stages.sketches.drawing.layer import Layer, blank
from stages.sketches.drawing.pen import draw_dot

# How far hair stands off the skull, in skull radii.
_VOLUME = {"bald": 0.0, "short": 0.08, "bob": 0.2, "long": 0.16, "curly": 0.3, "bun": 0.08, "ponytail": 0.08, "spiky": 0.1}


def add_hair(dressed: Dressed, surface: Surface) -> None:
    """Grow the hair and put on the hat of the figure's look, in place."""
    look, head = dressed.look, dressed.head
    on_head = surface.part == HEAD
    if look.hair_shape != "bald":
        scalp = _scalp(dressed, surface, on_head)
        _put(dressed, _behind(dressed), HAIR, lines.HAIR, _depth(head, -0.75))
        _put(dressed, _grown(dressed, scalp), HAIR, lines.HAIR, _depth(head, 0.0))
        _paint(dressed, scalp, HAIR, lines.HAIR)
    if look.hat != "none":
        _add_hat(dressed, surface, on_head)


def _depth(head, front: float) -> float:
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
    """The scalp with its volume of hair, bumpy or spiky where the look says so."""
    shape, radius = dressed.look.hair_shape, dressed.head.radius
    layer = blank(dressed.size)
    outline, _ = cv2.findContours(scalp.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in outline:
        path = contour[:, 0] + 0.5
        if shape == "spiky":
            _spikes(layer, path, dressed.head)
            continue
        step = max(1, int(radius * 0.42)) if shape == "curly" else 1
        for point in path[::step]:
            draw_dot(layer, point, radius * _VOLUME[shape] * (1.2 if shape == "curly" else 1))
    below = np.indices(scalp.shape).transpose(1, 2, 0)[..., ::-1] - dressed.head.at(0, -0.2, 0)
    up2d = dressed.head.at(0, 1, 0) - dressed.head.at(0, 0, 0)
    return (layer.ink > 0.5) & ((below @ up2d > 0) | (shape in ("bob", "long", "curly")))


def _spikes(layer: Layer, path: np.ndarray, head) -> None:
    out = path - head.place
    distance = np.linalg.norm(out, axis=1)
    up2d = head.at(0, 1, 0) - head.at(0, 0, 0)
    for k in range(0, len(path), max(2, int(head.radius * 0.45))):
        if distance[k] > 0.6 * head.radius and out[k] @ up2d > -0.2 * head.radius**2:
            tip = path[k] + out[k] / distance[k] * head.radius * 0.42
            layer.stamp(np.stack([path[k], tip]), head.radius * np.array([0.22, 0.02]), np.ones(2))


def _behind(dressed: Dressed) -> np.ndarray:
    """Hair that hangs or is tied behind the head, as seen if nothing hid it."""
    shape, head, layer = dressed.look.hair_shape, dressed.head, blank(dressed.size)
    if shape in ("bob", "long"):
        length = 1.0 if shape == "bob" else 1.7 + 1.2 * dressed.look.flare
        fall = 0.75 * (head.at(0, -1, -0.4) - head.at(0, 0, -0.4)) + 0.25 * np.array([0, head.radius])
        sides = [head.at(s * 1.08, 0.3, -0.35) for s in (-1, 1)]
        back = [head.at(0, 0.4, -1.1)]
        ends = [head.at(s * 0.95, 0.1, -0.7) + fall * length for s in (-1, 1)]
        hull = cv2.convexHull(np.array([*sides, *back, *ends, np.mean(ends, 0) + 0.12 * fall], np.float32))
        return polygon(dressed.size, hull[:, 0]).ink > 0.5
    if shape == "bun":
        draw_dot(layer, head.at(0, 0.85, -0.85), 0.42 * head.radius)
    if shape == "ponytail":
        root, fall = head.at(0, 0.55, -1.0), head.at(0, -0.9, -1.5)
        bend = (root + fall) / 2 + 0.3 * (head.at(0, 0, -1.6) - head.at(0, 0, -1))
        layer.stamp(np.stack([root, bend, fall]), head.radius * np.array([0.2, 0.3, 0.06]), np.ones(3))
    return layer.ink > 0.5


def _add_hat(dressed: Dressed, surface: Surface, on_head: np.ndarray) -> None:
    head, size = dressed.head, dressed.size
    local, rows, columns = _own(dressed, surface, on_head)
    crown = np.zeros(dressed.region.shape, np.uint8)
    worn = local[:, 1] > 0.42 - 0.15 * local[:, 2]
    crown[rows[worn], columns[worn]] = 1
    turn = np.linspace(0, 2 * np.pi, 36)[:-1]
    top = np.stack([head.at(0.95 * np.cos(t), 1.1, 0.95 * np.sin(t)) for t in turn])
    if dressed.look.hat == "brim":
        base = np.stack([head.at(np.cos(t), 0.5, np.sin(t)) for t in turn])
        shape = polygon(size, cv2.convexHull(np.concatenate([top * 1.0, base]).astype(np.float32))[:, 0]).ink > 0.5
        brim = polygon(size, np.stack([head.at(1.55 * np.cos(t), 0.48, 1.5 * np.sin(t)) for t in turn])).ink > 0.5
        _put(dressed, shape | brim, HAT, lines.HAT, _depth(head, 0) - 0.08)
    else:
        reach = 2 * max(1, round(0.1 * head.radius)) + 1
        shape = cv2.dilate(crown, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))) > 0
        _put(dressed, shape, HAT, lines.HAT, _depth(head, 0) - 0.1)


def _put(dressed: Dressed, mask: np.ndarray, region: int, piece: int, depth: float) -> None:
    """Place a shape at a depth: it shows where nothing of the figure is nearer."""
    shown = mask & (depth < dressed.depth) & (dressed.region != HAT)
    dressed.normal[shown & ~dressed.mask] = (0, -0.3, -0.95)
    _paint(dressed, shown, region, piece)
    dressed.depth[shown] = depth


def _paint(dressed: Dressed, mask: np.ndarray, region: int, piece: int) -> None:
    dressed.region[mask] = region
    dressed.piece[mask] = piece
