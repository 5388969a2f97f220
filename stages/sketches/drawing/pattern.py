"""Stripes and dots on the cloth of the upper body."""

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import lines
from stages.sketches.drawing.anatomy import ARMS, NECK, PELVIS, SHOULDERS
from stages.sketches.drawing.build import unit
from stages.sketches.drawing.dressed import STRIPE, TOP, Dressed


def add_pattern(dressed: Dressed, figure: Figure) -> None:
    """Stripe or dot the top, in place: across the trunk and around the arms."""
    look = dressed.look
    if not (look.stripes or look.dots):
        return
    rows, columns = np.nonzero(dressed.region == TOP)
    z = dressed.depth[rows, columns]
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], 1) @ np.linalg.inv(figure.camera_K).T
    down, aside = _on_cloth(rays * z[:, None], dressed.piece[rows, columns], figure)
    marked = (down % look.stripes < 0.45 * look.stripes) if look.stripes else _dotted(down, aside, look.dots)
    dressed.region[rows[marked], columns[marked]] = STRIPE


def _on_cloth(points: np.ndarray, piece: np.ndarray, figure: Figure) -> tuple[np.ndarray, np.ndarray]:
    """Metres down the trunk or arm and metres aside (n,) of points (n, 3)."""
    joints = figure.joints
    across = joints[SHOULDERS[0]] - joints[SHOULDERS[1]]
    down, aside = _along(points, joints[NECK], joints[PELVIS], across)
    for limb, codes in zip(ARMS, lines.ARMS, strict=True):
        for k in (0, 1):
            here = piece == codes[k]
            down[here], aside[here] = _along(points[here], joints[limb[k]], joints[limb[k + 1]], np.array([1.0, 0.3, 0.2]))
    return down, aside


def _along(points: np.ndarray, start: np.ndarray, end: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    way = unit(end - start)
    return (points - start) @ way, (points - start) @ unit(across - way * (across @ way))


def _dotted(down: np.ndarray, aside: np.ndarray, gap: float) -> np.ndarray:
    """Points on the dots of a staggered lattice."""
    row = np.floor(down / gap)
    inside = np.stack([down / gap - row, (aside / gap + 0.5 * row) % 1]) - 0.5
    return np.hypot(*inside) < 0.3
