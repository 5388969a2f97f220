"""Garments of the trunk: shirts with a hem, collars and hoods, coats and skirts that fall over the legs."""

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import lines
from stages.sketches.drawing.anatomy import HIPS, LEGS, NECK, PELVIS
from stages.sketches.drawing.build import Build, cross, trunk_rings, unit
from stages.sketches.drawing.cloth import COLUMNS, Strip
from stages.sketches.drawing.dressed import BOTTOM, STRIPE, TOP
from stages.sketches.drawing.tubes import DOWN
from stages.sketches.drawing.wardrobe import Look

_TRUNK, _THIGHS, _SHINS = (0, 3, 6, 9, 13, 14), (1, 2), (4, 5)
_CHEST = 0.78  # where loose cloth begins, in heights of the trunk
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # middles, half axes to the left and to the front (n, 3)


def can_hang(figure: Figure) -> bool:
    """Does cloth stay over both legs: are they not far apart, nor up in the air?"""
    ways = unit(np.stack([figure.joints[limb[1]] - figure.joints[limb[0]] for limb in LEGS]))
    down = figure.joints[PELVIS] - figure.joints[NECK]
    return bool(ways[0] @ ways[1] > 0.4 and ways.sum(0) @ DOWN > -0.2 and unit(down)[1] > -0.2)


def shirt(figure: Figure, look: Look, build: Build) -> list[Strip]:
    """A shirt over the trunk: gathered at a high hem, hanging straight to a low one."""
    if not look.ease:
        return []
    hem = _shortened(figure, look.hem)
    height = np.linspace(hem, _CHEST, 8)
    if hem > 0:
        ease = look.ease * np.sin(np.pi * np.linspace(0.05, 0.95, 8))
    else:
        ease = min(look.ease + 0.006, 0.038) * np.linspace(1, 0.1, 8) ** 0.6
    return [Strip(*_around(figure, build, height, ease), TOP, lines.TORSO, (*_TRUNK, *_THIGHS))]


def collar(figure: Figure, look: Look, build: Build) -> list[Strip]:
    """A collar that stands, or a hood that lies on the back."""
    joints = figure.joints
    rings = trunk_rings(figure, np.array([0.95]))
    up = unit(0.6 * rings.up[0] + 0.4 * unit(joints[15] - joints[NECK]))
    hood = look.neckline_cut == "hood"
    rise = np.array([-0.05, -0.02, 0.01, 0.03, 0.02]) if hood else np.array([-0.03, 0.0, 0.035])
    wide = build.trunk * (np.array([0.09, 0.115, 0.12, 0.1, 0.07]) if hood else np.array([0.085, 0.07, 0.066]))
    back = build.trunk * (np.array([0.0, 0.025, 0.04, 0.035, 0.02]) if hood else np.zeros(3))
    centre = joints[NECK] + rise[:, None] * up + (0.01 - back)[:, None] * rings.front
    gap = 0.5 if hood else 0.0
    return [Strip(centre, wide[:, None] * rings.left, wide[:, None] * rings.front, TOP, lines.TORSO, (*_TRUNK, NECK), 0.03, 0.06,
                  np.full(len(rise), gap), np.full(len(rise), 2 * (np.pi - gap)))]  # fmt: skip


def skirt(figure: Figure, look: Look, build: Build) -> list[Strip]:
    """A skirt from the waist over both legs, with waves at its hem."""
    along = np.linspace(0.15, look.skirt, 6)
    flare = 0.005 + along * (0.6 * look.ease + 0.45 * look.flare * _thigh(figure))
    over = _over_legs(figure, build, along, flare)
    waist = _around(figure, build, np.array([0.0, 0.08]), np.array([0.012, 0.004]))
    rows = _joined(over, waist)
    region = TOP if look.outfit == "dress" else BOTTOM
    return [Strip(*rows, region, lines.SKIRT, (*_TRUNK, *_THIGHS, *_SHINS), 0.13, 0.1, swell=_waves(len(along), 2, look))]


def coat(figure: Figure, look: Look, build: Build) -> list[Strip]:
    """A coat, open or closed, with its front edge; a jacket where it ends at the hip."""
    ease = look.ease + 0.015
    hem = _shortened(figure, -0.16)
    height = np.linspace(0.02 if look.coat > 0.2 else hem, _CHEST, 7)
    rows = _around(figure, build, height, ease * np.linspace(1.1, 0.3, 7))
    tail = 0
    if look.coat > 0.2:
        along = np.linspace(0.15, look.coat, 6)
        tail = len(along)
        rows = _joined(_over_legs(figure, build, along, 0.025 + ease * 0.6 + 0.26 * look.flare * along * _thigh(figure)), rows)
    neck = np.concatenate([np.zeros(tail + 4), [0.1, 0.3, 0.55]])
    gap = neck + (np.concatenate([np.linspace(0.75, 0.45, tail), np.full(7, 0.4)]) if look.open else 0.0)
    own = (*_TRUNK, *_THIGHS, *_SHINS)
    cloth = Strip(*rows, TOP, lines.SKIRT if tail else lines.TORSO, own, 0.08, 0.065, gap, 2 * (np.pi - gap), _waves(tail, 7, look))
    return [cloth] if look.open else [cloth, _front_edge(cloth, rows, neck)]


def _front_edge(cloth: Strip, rows: Rows, neck: np.ndarray) -> Strip:
    """A narrow band down the front of closed cloth."""
    keep = neck < 0.2
    half = 0.012 / np.maximum(np.linalg.norm(rows[1][keep], axis=1), 0.05)
    middle, across, front = (row[keep] for row in rows)
    return Strip(middle, 1.01 * across, 1.01 * front, STRIPE, cloth.piece, cloth.own, cloth.loose, cloth.push - 0.002, -half, 2 * half)


def _around(figure: Figure, build: Build, height: np.ndarray, ease: np.ndarray) -> Rows:
    """Rings around the trunk at the heights (n,), standing off it by ease (n,) m; they sag where the trunk lies or bends."""
    rings = trunk_rings(figure, height)
    sag = DOWN - rings.up * rings.up[:, 1:2]
    centre = rings.centre + 0.25 * ease[:, None] * sag
    wide, deep = build.width(height), build.depth(height)
    if height[0] < 0.02:
        wide = np.maximum(wide, np.interp(height, [height[0], 0.6], [wide[0], build.width(np.array([0.6]))[0]]))
    return centre, (wide + ease)[:, None] * rings.left, (deep + ease)[:, None] * rings.front


def _over_legs(figure: Figure, build: Build, along: np.ndarray, ease: np.ndarray) -> Rows:
    """Rings around both legs at the places (n,) bones down them, the last first; below the knee they follow thigh and shin by halves."""
    joints = figure.joints
    left, right = (_down_leg(joints, limb, along) for limb in LEGS)
    hips = joints[HIPS[0]] - joints[HIPS[1]]
    across = unit(left - right + 0.7 * hips)
    way = unit(_down_leg(joints, LEGS[0], along + 0.1) + _down_leg(joints, LEGS[1], along + 0.1) - left - right)
    front = unit(cross(across, -way))
    across = cross(-way, front)
    apart, thick = 0.5 * (left - right), build.leg(np.minimum(along, 1)) * (0.8 + 0.25 * np.minimum(along, 1)) + ease
    wide, deep = (np.abs((apart * axis).sum(1)) + thick for axis in (across, front))
    deep = np.maximum(deep, 0.62 * wide)
    centre = 0.5 * (left + right) + 0.3 * ease[:, None] * (DOWN - way * way[:, 1:2])
    return centre[::-1], (wide[:, None] * across)[::-1], (deep[:, None] * front)[::-1]


def _thigh(figure: Figure) -> float:
    """Length of the thighs in metres."""
    return float(np.mean([np.linalg.norm(figure.joints[limb[1]] - figure.joints[limb[0]]) for limb in LEGS]))


def _down_leg(joints: np.ndarray, limb: tuple[int, ...], along: np.ndarray) -> np.ndarray:
    """Points (n, 3) where cloth hangs over a leg."""
    thigh, shin = joints[limb[1]] - joints[limb[0]], joints[limb[2]] - joints[limb[1]]
    below = 0.5 * (shin + unit(thigh + 0.3 * np.linalg.norm(thigh) * DOWN) * np.linalg.norm(shin))
    return joints[limb[0]] + np.minimum(along, 1)[:, None] * thigh + np.maximum(along - 1, 0)[:, None] * below


def _joined(*parts: Rows) -> Rows:
    """Rings after rings."""
    middle, across, front = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    return middle, across, front


def _waves(tail: int, rest: int, look: Look) -> np.ndarray:
    """Folds (tail + rest, COLUMNS) that grow to the hem, which is the first ring."""
    turn = np.linspace(0, 2 * np.pi, COLUMNS)
    grown = np.concatenate([np.linspace(0.045, 0, tail), np.zeros(rest)])
    return 1 + grown[:, None] * np.cos(4 * turn + 9 * look.flare)


def _shortened(figure: Figure, hem: float) -> float:
    """A hem below the pelvis (negative) rises where the thighs do."""
    spine = unit(figure.joints[PELVIS] - figure.joints[6])
    thighs = unit(np.stack([figure.joints[limb[1]] - figure.joints[limb[0]] for limb in LEGS]))
    return hem if hem > 0 else hem * float(np.clip((thighs @ spine).min() + 0.2, 0.25, 1))
