"""Cloth as meshes of rings around the body, put into the buffers of the figure where it lies before them."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numba import njit

from stages.body.raster import rasterize
from stages.sketches.drawing.anatomy import ARMS, HEAD, LEGS, NECK

COLUMNS = 20  # points of a ring
_TURN = np.linspace(0, 1, COLUMNS)
# What cloth never swallows: head, forearms, hands and feet of the body stay before cloth that would only just hide them.
_DEAR = 1 + np.array([HEAD, NECK, *(j for arm in ARMS for j in arm[1:]), *(j for leg in LEGS for j in leg[2:])])
_THROUGH = 0.03  # metres by which the body may press through what covers it and still counts as covered
Buffers = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Strip:
    """Cloth through n rings, camera frame, metres: centre (n, 3); half axes across, front (n, 3) to the wearer's left and front.

    gap (n,): radians left open on each side of the front; part of a turn: sweep (n,), the rest of the ring (2 pi - 2 gap) or less.
    region, piece: what it is drawn as; own: SMPL parts that it covers; loose: metres that it may stand off them;
    push: metres by which it yields to other cloth; swell (n, COLUMNS): a factor to the half axes.
    """

    centre: np.ndarray
    across: np.ndarray
    front: np.ndarray
    region: int
    piece: int
    own: tuple[int, ...]
    loose: float = 0.05
    push: float = 0.09
    gap: np.ndarray | float = 0.0
    sweep: np.ndarray | float = field(default=2 * np.pi)
    swell: np.ndarray | float = 1.0

    def points(self) -> np.ndarray:
        """The rings' points (n * COLUMNS, 3)."""
        turn = np.reshape(self.gap, (-1, 1)) + np.reshape(self.sweep, (-1, 1)) * _TURN
        side, ahead = (np.broadcast_to(f(turn) * self.swell, (len(self.centre), COLUMNS))[..., None] for f in (np.sin, np.cos))
        return (self.centre[:, None] + side * self.across[:, None] + ahead * self.front[:, None]).reshape(-1, 3)


def lay_over(buffers: Buffers, body_part: np.ndarray, camera_K: np.ndarray, strips: list[Strip]) -> None:
    """Put the strips into the buffers region, piece, depth, normal, in place; body_part (H, W) as in Figure."""
    if not strips:
        return
    points = [strip.points() for strip in strips]
    starts = np.cumsum([0, *map(len, points)])
    faces = [_grid(len(strip.centre)) + np.int32(start) for strip, start in zip(strips, starts, strict=False)]
    codes = np.repeat(np.arange(1, len(strips) + 1), [len(f) for f in faces]).astype(np.uint8)
    pushed = np.concatenate([p * (1 + s.push / np.linalg.norm(p, axis=1, keepdims=True)) for p, s in zip(points, strips, strict=True)])
    mesh = rasterize(pushed, np.concatenate(faces), codes, camera_K, len(body_part))
    looks = np.array([(0, 0), *((s.region, s.piece) for s in strips)], np.uint8)
    push = np.array([0, *(s.push for s in strips)])
    _compose(mesh.depth, mesh.normal, mesh.part, looks, push, _margins(strips), body_part, buffers)


def _margins(strips: list[Strip]) -> np.ndarray:
    """Metres (strips + 1, 25) by which cloth must lie before a pixel of each part of the body to hide it."""
    margin = np.zeros((len(strips) + 1, 25))
    for k, strip in enumerate(strips, 1):
        margin[k, 1:] = 0.03
        margin[k, _DEAR] = strip.loose + 0.05
        margin[k, [1 + part for part in strip.own]] = -_THROUGH
    return margin


@lru_cache(maxsize=64)
def _grid(rings: int) -> np.ndarray:
    """Faces (F, 3) between so many rings, one after the other."""
    corner = (np.arange(rings - 1)[:, None] * COLUMNS + np.arange(COLUMNS - 1)).ravel()
    one = np.stack([corner, corner + 1, corner + COLUMNS], 1)
    return np.concatenate([one, np.stack([corner + 1, corner + COLUMNS + 1, corner + COLUMNS], 1)]).astype(np.int32)


@njit(cache=True)
def _compose(cloth_depth, cloth_normal, code, looks, push, margin, body_part, buffers):
    region, piece, depth, normal = buffers
    size = len(code)
    for y in range(size):
        for x in range(size):
            k = code[y, x]
            if k == 0:
                continue
            near = cloth_depth[y, x] - push[k]
            if near + margin[k, body_part[y, x]] >= depth[y, x]:
                continue
            region[y, x], piece[y, x] = looks[k]
            if near >= depth[y, x]:
                continue
            depth[y, x] = near
            n = cloth_normal[y, x]
            sign = 1.0 if n[2] <= 0 else -1.0
            normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = sign * n[0], sign * n[1], sign * n[2]
