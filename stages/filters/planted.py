"""Defects put into drawings on purpose: what the filter must catch. The picture is changed as a generator would fail, not marked."""

from typing import NamedTuple

import cv2
import numpy as np

from stages.detector.metrics import pck
from stages.filters.ink import paper_of

# Skin of each limb in the part buffer (1 + the SMPL joint), and its line through the 16 joints.
LIMBS = {
    "right arm": ((18, 20, 22, 24), (2, 3, 4)),
    "left arm": ((17, 19, 21, 23), (5, 6, 7)),
    "right leg": ((3, 6, 9, 12), (8, 9, 10, 15)),
    "left leg": ((2, 5, 8, 11), (11, 12, 13, 14)),
}
LEAST_INK = 0.08  # of the figure's ink: a limb with less is no great loss
_STRAY = 7 / 256  # of the side: how far lines may lie from the limb that they draw
_INKED, _ALIKE = 36, 60  # levels from the paper; between two papers that may be made one
_SAME = 0.5  # share of joints in the same place from which two poses are alike
_FREE = 0.6  # of a limb's surroundings are paper: a limb before the trunk cannot be painted over with what lies beside it


class Drawn(NamedTuple):
    """A drawing (H, W, 3) uint8 RGB, the part buffer (H, W) of its figure, joints (16, 2) px and their visibility (16,)."""

    image: np.ndarray
    part: np.ndarray
    joints: np.ndarray
    visibility: np.ndarray


class Erasable(NamedTuple):
    """A limb that can be painted over: mask (H, W) bool, and its line through the 16 joints."""

    mask: np.ndarray
    joints: tuple[int, ...]


def erasable_limb(drawn: Drawn) -> Erasable | None:
    """The visible limb with the most ink, LEAST_INK of the figure's at least; None where there is no such limb."""
    limbs = [Erasable(_limb_mask(drawn, *limb), limb[1]) for limb in LIMBS.values()]
    inked = _inked(drawn.image)
    whole = max(int((inked & _figure(drawn)).sum()), 1)
    able = [m for m in limbs if (drawn.visibility[list(m.joints)] == 2).all() and _stands_free(m.mask, drawn.part)]
    able = [m for m in able if (inked & m.mask).sum() >= LEAST_INK * whole]
    return max(able, key=lambda m: int((inked & m.mask).sum()), default=None)


def erased(drawn: Drawn, limb: Erasable) -> np.ndarray:
    """The drawing without the limb."""
    return paint_over(drawn.image, limb.mask, _figure(drawn))


def paint_over(image: np.ndarray, mask: np.ndarray, figure: np.ndarray) -> np.ndarray:
    """The picture with `mask` filled from elsewhere in it, as with a clone stamp: from where no figure is, where it fits best."""
    ring = np.argwhere(_grown(mask, 4 / 256) & ~mask & ~figure)
    inside, taken = np.argwhere(mask), figure | mask
    free = [shift for shift in _shifts(len(image)) if not _at(taken, inside + shift).any()] if len(ring) else []
    if not free:
        return np.asarray(cv2.inpaint(image, mask.astype(np.uint8), 5, cv2.INPAINT_TELEA))
    around = image[tuple(ring.T)].astype(np.int16)
    best = min(free, key=lambda shift: int(np.abs(_at(image, ring + shift) - around).sum()))
    filled = image.copy()
    filled[mask] = _at(image, inside + best)
    return filled


def add_figure(drawn: Drawn, other: Drawn, rng: np.random.Generator) -> np.ndarray | None:
    """The drawing with another figure beside its own, half as large at least; None where there is no room."""
    side = len(drawn.image)
    taken = _grown(drawn.part > 0, 3 / 256)
    figure = _grown(other.part > 0, _STRAY)
    y0, y1, x0, x1 = _bounds(figure)
    tall = np.ptp(np.flatnonzero(taken.any(1))) + 1
    for scale in np.linspace(1.0, 0.5, 6) * tall / (y1 - y0):
        patch, alpha = _scaled(other.image[y0:y1, x0:x1], scale), _scaled(figure[y0:y1, x0:x1].astype(np.float32), scale)
        height, width = alpha.shape
        if height > side or width > side:
            continue
        places = [(int(rng.integers(0, side - height + 1)), int(rng.integers(0, side - width + 1))) for _ in range(60)]
        fits = [(y, x) for y, x in places if (taken[y : y + height, x : x + width] & (alpha > 0.5)).sum() <= 0.1 * (alpha > 0.5).sum()]
        if fits:
            return _pasted(drawn.image, patch, alpha, *fits[0])
    return None


def blank(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sheet of the drawing's paper, with a little grain, and nothing on it."""
    grain = rng.normal(0, 2, image.shape[:2])[..., None]
    return np.clip(np.round(paper_of(image) + grain), 0, 255).astype(np.uint8)


def copied(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The drawing again, as it comes back from elsewhere: moved by a pixel, a little lighter or darker, compressed."""
    dy, dx = rng.integers(-1, 2, 2)
    moved = np.roll(image, (int(dy), int(dx)), (0, 1)) * rng.uniform(0.95, 1.05)
    data = cv2.imencode(".jpg", np.clip(moved, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 90))])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def is_another_pose(drawn: Drawn, other: Drawn) -> bool:
    """Whether most joints of the other lie elsewhere: labels that could be this drawing's own are no defect."""
    return pck(other.joints[None], drawn.joints[None], drawn.visibility[None]) < _SAME


def _pasted(image: np.ndarray, patch: np.ndarray, alpha: np.ndarray, y: int, x: int) -> np.ndarray:
    out = image.astype(np.float32)
    height, width = alpha.shape
    soft = cv2.GaussianBlur(alpha, (0, 0), 1.0)[..., None]
    tint = paper_of(image) - paper_of(patch)
    if np.abs(tint).max() < _ALIKE:  # its paper takes on the tint of this one's
        patch = np.clip(patch + tint, 0, 255)
    place = out[y : y + height, x : x + width]
    place[:] = place * (1 - soft) + patch * soft
    return out.round().astype(np.uint8)


def _figure(drawn: Drawn) -> np.ndarray:
    return _grown(drawn.part > 0, _STRAY)


def _limb_mask(drawn: Drawn, parts: tuple[int, ...], joints: tuple[int, ...]) -> np.ndarray:
    skin = np.isin(drawn.part, parts)
    line = np.zeros(drawn.part.shape, np.uint8)
    width = max(2, round(len(line) * 0.05))
    points = np.round(drawn.joints[list(joints)]).astype(np.int32)
    cv2.polylines(line, [points.reshape(-1, 1, 2)], False, 1, width)
    rest = (drawn.part > 0) & ~skin
    return _grown(skin | (line > 0), _STRAY) & ~_grown(rest, 1 / 256)


def _stands_free(mask: np.ndarray, part: np.ndarray) -> bool:
    around = _grown(mask, 6 / 256) & ~mask
    return bool(mask.any() and (part[around] == 0).mean() >= _FREE)


def _inked(image: np.ndarray) -> np.ndarray:
    return np.abs(image.astype(np.int16) - paper_of(image)).max(-1) > _INKED


def _grown(mask: np.ndarray, share: float) -> np.ndarray:
    """A mask grown by a share of its side."""
    reach = 2 * max(1, round(share * len(mask))) + 1
    return cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))) > 0


def _shifts(side: int) -> list[np.ndarray]:
    steps = range(-side // 2, side // 2 + 1, max(1, side // 12))
    return [np.array([dy, dx]) for dy in steps for dx in steps if dy or dx]


def _at(array: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Pixels of an array (S, S, ...) at places (N, 2) of row and column; beyond its border it is mirrored."""
    last = len(array) - 1
    places = last - np.abs(last - np.abs(places))
    return array[tuple(np.clip(places, 0, last).T)]


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _scaled(array: np.ndarray, scale: float) -> np.ndarray:
    return np.asarray(cv2.resize(array, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
