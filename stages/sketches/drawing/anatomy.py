"""Where things are on a posed body: the head and its face, how far along its limb each pixel lies."""

from dataclasses import dataclass

import numpy as np

from stages.body.figure import Figure

PELVIS, NECK, HEAD = 0, 12, 15
SHOULDERS, HIPS = (16, 17), (1, 2)
ARMS, LEGS = ((16, 18, 20, 22), (17, 19, 21, 23)), ((1, 4, 7, 10), (2, 5, 8, 11))

# Of each SMPL part: does it belong to an arm, to a leg.
ON_ARM, ON_LEG = (np.isin(np.arange(24), limbs) for limbs in (ARMS, LEGS))

# Half extents of a grown head (left, up, front) and the height of its centre over SMPL's head joint, metres.
_RADII, _SKULL_ABOVE_JOINT = np.array([0.086, 0.124, 0.106]), 0.04

# Of each SMPL part: the bone it lies on, and how many bones of its limb come before.
_BONE = np.array([(0, 12)] * 24)
_BEFORE = np.zeros(24)
for _limb in ARMS + LEGS:
    for _k, _joint in enumerate(_limb):
        _from = min(_k, 2)
        _BONE[_joint] = _limb[_from], _limb[_from + 1]
        _BEFORE[_joint] = _from


@dataclass(frozen=True)
class Head:
    """centre (3,) m and unit axes (3,) to the figure's left, to its crown, to where it looks; radii (3,) m; all in the camera frame."""

    centre: np.ndarray
    left: np.ndarray
    up: np.ndarray
    front: np.ndarray
    radii: np.ndarray
    camera_K: np.ndarray

    def at(self, left: float, up: float, front: float) -> np.ndarray:
        """Pixel (2,) of a point given in radii from the centre."""
        x, y, z = self.centre + np.array([left, up, front]) * self.radii @ np.stack([self.left, self.up, self.front])
        return self.camera_K[:2, :2] @ np.array([x, y]) / z + self.camera_K[:2, 2]

    def on(self, left: float, up: float) -> np.ndarray:
        """Pixel (2,) of a point on the face."""
        return self.at(left, up, float(np.sqrt(max(0.0, 1 - left**2 - up**2))))

    def sees_viewer(self, left: float, up: float) -> float:
        """How squarely a point of the face is turned to the viewer: a cosine, negative where hidden."""
        front = np.sqrt(max(0.0, 1 - left**2 - up**2))
        way = left * self.left + up * self.up + front * self.front
        return float(-way @ self.centre / np.linalg.norm(self.centre))

    @property
    def place(self) -> np.ndarray:
        """Pixel (2,) of the centre."""
        return self.at(0, 0, 0)

    @property
    def radius(self) -> float:
        """Radius of the skull in pixels."""
        return float(self.camera_K[0, 0] * self.radii.mean() / self.centre[2])


@dataclass(frozen=True)
class Footing:
    """Where a figure rests or hovers, in pixels: its lowest row, and the columns between which it comes near to it."""

    left: float
    right: float
    low: float

    @property
    def middle(self) -> float:
        """The column halfway."""
        return (self.left + self.right) / 2

    @property
    def half(self) -> float:
        """Half the width."""
        return (self.right - self.left) / 2


def footing_of(mask: np.ndarray) -> Footing:
    """The footing of the pixels (H, W) bool of a figure, whatever part of it is lowest; the bottom's middle for none."""
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return Footing(0.4 * len(mask), 0.6 * len(mask), 0.9 * len(mask))
    low = int(rows[-1])
    columns = np.flatnonzero(mask[max(0, low - len(mask) // 12) : low + 1].any(0))
    return Footing(float(columns[0]), float(columns[-1] + 1), float(low + 1))


@dataclass(frozen=True)
class Surface:
    """The figure's pixels in one list: rows, columns (n,), points (n, 3) m camera frame, SMPL part (n,).

    along (n,): bones passed on the way down the pixel's limb (1.5: the middle of the forearm); height (n,): 0 pelvis, 1 neck.
    """

    rows: np.ndarray
    columns: np.ndarray
    points: np.ndarray
    part: np.ndarray
    along: np.ndarray
    height: np.ndarray


def surface_of(figure: Figure) -> Surface:
    """Read the figure's pixels back into space."""
    rows, columns = np.nonzero(figure.part)
    part, z = figure.part[rows, columns].astype(int) - 1, figure.depth[rows, columns]
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], 1) @ np.linalg.inv(figure.camera_K).T
    points, joints = rays * z[:, None], figure.joints
    start, end = joints[_BONE[part, 0]], joints[_BONE[part, 1]]
    along = _BEFORE[part] + _share(points, start, end)
    return Surface(rows, columns, points, part, along, _share(points, joints[PELVIS], joints[NECK]))


def from_bone(figure: Figure, part: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Metres (n,) from points (n, 3) to the bones of their parts (n,)."""
    start, end = figure.joints[_BONE[part, 0]], figure.joints[_BONE[part, 1]]
    return np.linalg.norm(points - start - _share(points, start, end)[:, None] * (end - start), axis=1)


def _share(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """How far from start (0) to end (1) the points lie, measured along the line."""
    bone = end - start
    return np.einsum("ij,ij->i", points - start, np.broadcast_to(bone, points.shape)) / (bone * bone).sum(-1)


def head_of(figure: Figure, turn: np.ndarray | None = None) -> Head:
    """The head as an egg about the skull's centre.

    turn (3, 3): the head's rotation in the camera frame; where it is not known, the face looks where the chest does.
    """
    turn = _chest_turn(figure) if turn is None else turn
    skull = figure.joints16[0]
    grown = np.linalg.norm(skull - figure.joints[HEAD]) / _SKULL_ABOVE_JOINT
    radii = _RADII * np.clip(grown, 0.85 * figure.bone_scales[HEAD], 1.15 * figure.bone_scales[HEAD])
    return Head(skull, turn[:, 0], turn[:, 1], turn[:, 2], radii, figure.camera_K)


def _chest_turn(figure: Figure) -> np.ndarray:
    left = figure.joints[SHOULDERS[0]] - figure.joints[SHOULDERS[1]]
    up = figure.joints16[0] - figure.joints[NECK]
    up = up / np.linalg.norm(up)
    left = left - up * (left @ up)
    left = left / (np.linalg.norm(left) + 1e-9)
    return np.stack([left, up, np.cross(left, up)], 1)
