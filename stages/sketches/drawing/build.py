"""How the figure is built under its clothes: the girth of its limbs and trunk, and rings around the trunk."""

from dataclasses import dataclass

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing.anatomy import HIPS, PELVIS, SHOULDERS, Surface, from_bone

# Mean radius (metres) of a common arm and leg, by bones passed down the limb.
_BONES = np.arange(11) / 5
_ARM = np.array([0.060, 0.053, 0.048, 0.047, 0.044, 0.040, 0.039, 0.036, 0.032, 0.027, 0.024])
_LEG = np.array([0.088, 0.093, 0.091, 0.080, 0.068, 0.060, 0.057, 0.056, 0.048, 0.040, 0.040])
# Half width and half depth (metres) of a common trunk by height (0 pelvis, 1 neck), and how far its middle lies before the spine.
_HEIGHTS = np.array([-0.3, -0.1, 0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9])
_WIDTHS = np.array([0.190, 0.190, 0.186, 0.175, 0.156, 0.147, 0.158, 0.165, 0.150, 0.110])
_DEPTHS = np.array([0.097, 0.113, 0.120, 0.117, 0.102, 0.103, 0.115, 0.117, 0.100, 0.075])
_UPPER_LEG, _BELLY = (np.isin(np.arange(24), parts) for parts in ((1, 2, 4, 5), (PELVIS, 3, 6)))
_SPINE, _SPINE_HEIGHTS, _BEFORE_SPINE = (
    [0, 3, 6, 9, 12],
    np.array([0.0, 0.146, 0.275, 0.423, 1.0]),
    np.array([0.005, 0.06, 0.058, 0.058, 0.0]),
)


@dataclass(frozen=True)
class Build:
    """Girth of arms, legs, trunk: shares of the common one."""

    arms: float
    legs: float
    trunk: float

    def arm(self, along: np.ndarray) -> np.ndarray:
        """Radius (n,) m of the arm, by bones passed."""
        return self.arms * np.interp(along, _BONES, _ARM)

    def leg(self, along: np.ndarray) -> np.ndarray:
        """Radius (n,) m of the leg, by bones passed."""
        return self.legs * np.interp(along, _BONES, _LEG)

    def width(self, height: np.ndarray) -> np.ndarray:
        """Half width (n,) m of the trunk."""
        return self.trunk * np.interp(height, _HEIGHTS, _WIDTHS)

    def depth(self, height: np.ndarray) -> np.ndarray:
        """Half depth (n,) m of the trunk."""
        return self.trunk * np.interp(height, _HEIGHTS, _DEPTHS)


def build_of(figure: Figure, surface: Surface) -> Build:
    """Measure the girth on what is seen; a part that hides has the others' girth."""
    few = slice(None, None, 11)
    part, points, along, height = surface.part[few], surface.points[few], surface.along[few], surface.height[few]
    away = from_bone(figure, part, points)
    arm, leg = (part >= 16) & (part < 20), _UPPER_LEG[part] & (along > 0.2)
    arms = _typical(away[arm] / np.interp(along[arm], _BONES, _ARM))
    legs = _typical(away[leg] / np.interp(along[leg], _BONES, _LEG))
    trunk = _BELLY[part] & (np.abs(height - 0.25) < 0.25)
    rings = trunk_rings(figure, height[trunk])
    offset = points[trunk] - rings.centre
    wide = (offset * rings.left).sum(1) / np.interp(height[trunk], _HEIGHTS, _WIDTHS)
    deep = (offset * rings.front).sum(1) / np.interp(height[trunk], _HEIGHTS, _DEPTHS)
    trunks = _typical(np.hypot(wide, deep))
    known = [girth for girth in (arms, legs, trunks) if girth] or [1.0]
    return Build(*(girth or float(np.mean(known)) for girth in (arms, legs, trunks)))


def _typical(ratios: np.ndarray) -> float:
    return float(np.clip(np.median(ratios), 0.7, 1.5)) if len(ratios) >= 12 else 0.0


@dataclass(frozen=True)
class Rings:
    """Middles (n, 3) m of the trunk at some heights, and unit axes (n, 3) to the left, to the front and up; camera frame."""

    centre: np.ndarray
    left: np.ndarray
    front: np.ndarray
    up: np.ndarray


def trunk_rings(figure: Figure, height: np.ndarray) -> Rings:
    """Where the trunk is at each height (n,); below the pelvis it goes on straight down."""
    joints = figure.joints
    spine = joints[_SPINE]
    start = np.interp(height, _SPINE_HEIGHTS, np.arange(5))
    centre = _mix(spine, start)
    ways = np.gradient(spine, axis=0)
    ways[0] = spine[2] - spine[0]
    up = unit(_mix(ways, start))
    centre += np.minimum(height, 0)[:, None] * np.linalg.norm(spine[-1] - spine[0]) * up
    share = np.clip(height, 0, 1)[:, None]
    across = (1 - share) * unit(joints[HIPS[0]] - joints[HIPS[1]]) + share * unit(joints[SHOULDERS[0]] - joints[SHOULDERS[1]])
    front = unit(cross(across, up))
    grown = np.linalg.norm(spine[-1] - spine[0]) / 0.57
    centre += grown * np.interp(height, _SPINE_HEIGHTS, _BEFORE_SPINE)[:, None] * front
    return Rings(centre, cross(up, front), front, up)


def _mix(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Rows (n, 3) between the rows of values, at fractional places (n,)."""
    k = np.clip(place.astype(int), 0, len(values) - 2)
    t = (place - k)[:, None]
    return (1 - t) * values[k] + t * values[k + 1]


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products (…, 3)."""
    return a[..., [1, 2, 0]] * b[..., [2, 0, 1]] - a[..., [2, 0, 1]] * b[..., [1, 2, 0]]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (…, 3) at length 1."""
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)
