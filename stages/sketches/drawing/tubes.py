"""Sleeves and trouser legs: a tube around each bone that cloth covers, wider than the limb, hanging a little, with a cuff."""

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import lines
from stages.sketches.drawing.anatomy import ARMS, LEGS
from stages.sketches.drawing.build import Build, cross, unit
from stages.sketches.drawing.cloth import Strip
from stages.sketches.drawing.dressed import BOTTOM, TOP
from stages.sketches.drawing.wardrobe import Look

DOWN = np.array([0.0, 1.0, 0.0])
_MOST = 0.055  # metres that a tube stands off the limb at most
_BULGE = {"straight": 0.0, "puffed": 0.035, "flared": 0.0}
_SLEEVE_END = {"straight": 0.008, "puffed": -0.01, "flared": 0.045}
_LEG_END = {"straight": 0.025, "tapered": 0.004, "bell": 0.06}


def sleeves(figure: Figure, look: Look, build: Build) -> list[Strip]:
    """Tubes down both arms to the look's sleeve length."""

    def radius(along):
        share = np.clip(along / look.sleeve, 0, 1)
        ease = look.ease * (0.5 + 0.7 * share) + _BULGE[look.sleeve_cut] * np.sin(np.pi * share)
        return build.arm(along) * 1.06 + np.minimum(build.arms * (ease + _SLEEVE_END[look.sleeve_cut] * share**2), _MOST)

    if look.sleeve < 0.15 or (not look.ease and look.sleeve_cut == "straight"):
        return []
    pieces = zip(ARMS, lines.ARMS, strict=True)
    return [
        strip
        for limb, codes in pieces
        for strip in _limb(figure, limb, codes, (0.0, look.sleeve), radius, look.ease, TOP, (*limb[:2], 9, 13, 14), 0.0)
    ]


def trouser_legs(figure: Figure, look: Look, build: Build) -> list[Strip]:
    """Tubes down both legs to the look's trouser length."""

    def radius(along):
        ease = look.ease * (0.5 + 0.5 * np.clip(along, 0, 1)) * (0.4 if look.leg_cut == "tapered" and look.leg > 1 else 1.0)
        fall = np.clip(along - 0.8, 0, 1) ** 1.5 * _LEG_END[look.leg_cut] if look.leg > 1.2 else 0.3 * look.ease * along
        return build.leg(along) * 1.02 + np.minimum(build.legs * (ease + fall), _MOST)

    if not look.ease and look.leg_cut != "bell":
        return []
    pieces = zip(LEGS, lines.LEGS, strict=True)
    return [
        strip for limb, codes in pieces for strip in _limb(figure, limb, codes, (0.22, look.leg), radius, look.ease, BOTTOM, limb[:3], 0.09)
    ]


def _limb(figure, limb, codes, reach, radius, ease, region, own, push) -> list[Strip]:
    """The tubes of one limb between two places along it (reach)."""
    strips = []
    for k in (0, 1):
        start, end = max(reach[0] - k, 0.0), min(reach[1] - k, 1.0)
        if end - start > 0.08:
            a, b = figure.joints[limb[k]], figure.joints[limb[k + 1]]
            rings = _tube(a, b, np.linspace(start, end, 6), lambda t, k=k: radius(k + t), ease, start == 0)
            strips.append(Strip(*rings, region, codes[k], own, loose=0.05, push=push))
    return strips


def _tube(a, b, places, radius, ease, capped) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middles and half axes (n, 3) of rings at places along the bone from a to b; a cap rounds off the joint where it starts."""
    bone = b - a
    way = unit(bone)
    wide = radius(places)
    slack = 0.2 * ease * np.sin(np.pi * np.clip(places, 0, 1) * 0.8)
    centre = a + places[:, None] * bone + slack[:, None] * (DOWN - way * way[1])
    if capped:
        lift = np.array([0.0, np.pi / 6, np.pi / 3])
        centre = np.concatenate([a - (wide[0] * np.cos(lift))[:, None] * way, centre])
        wide = np.concatenate([wide[0] * np.sin(lift), wide])
    side = unit(cross(way, np.array([1.0, 0.0, 0.0] if abs(way[0]) < 0.8 else [0.0, 0.0, 1.0])))
    return centre, wide[:, None] * side, wide[:, None] * cross(side, way)
