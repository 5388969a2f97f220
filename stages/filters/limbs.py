"""Is every limb drawn that the labels call visible? A limb leaves marks along its bones, and the detector finds its joints.

The picture is straightened along each bone and averaged along its length: what runs beside the bone stays, grain and brush
strokes that run across it cancel out. What lies nearer to another bone is that one's.
"""

from itertools import pairwise

import cv2
import numpy as np

from manifests.skeleton import EDGES
from stages.detector.metrics import VISIBLE
from stages.filters.look import Look, closeness, unit_of

# Joints of arms and legs, and those that a limb alone accounts for.
LIMBS = {(2, 3, 4): (3, 4), (5, 6, 7): (6, 7), (8, 9, 10): (9, 10, 15), (11, 12, 13): (12, 13, 14)}
_TRUNK = ((2, 8), (5, 11), (8, 11), (2, 5))  # its outline, beside the bones
_SHORT, _REACH = 0.25, 0.25  # torso lengths: a bone drawn shorter says nothing; how far to its sides is looked
_HEAD = 1.2  # lengths from head to neck: the radius of what is the head's
_ALONG, _ACROSS, _PIECES = 24, 33, 2
_ENDS = (0.15, 0.9)  # of a bone: what lies at its joints belongs to others as well
_FEWEST_ROWS, _FEWEST_COLUMNS = 6, 9  # of a piece, that are this bone's own


def check(look: Look, least: float) -> tuple[bool, str, float]:
    """(keep, reason, how surely the least certain of the visible limbs is drawn, in [0, 1]); 1 where no limb can be judged."""
    score = least_certain(look)
    keep = score >= least
    return keep, "" if keep else "a limb is missing", score


def least_certain(look: Look) -> float:
    """Of a limb: half its marks against those of all bones, a quarter each its joints' confidence and their closeness to the labels."""
    soft = cv2.GaussianBlur(look.image, (3, 3), 0)
    marks = {limb: _marks(look, soft, limb) for limb in LIMBS}
    usual = np.median([mark for those in marks.values() for mark in those] or [1.0])
    near, scores = closeness(look), []
    for limb, those in marks.items():
        if those and (look.visibility[list(limb)] == VISIBLE).all():
            ends = list(LIMBS[limb])
            drawn = min(max(those) / max(float(usual), 1e-6), 1.0)
            scores.append(0.5 * drawn + 0.25 * float(look.confidence[ends].mean()) + 0.25 * float(near[ends].mean()))
    return min(scores, default=1.0)


def _marks(look: Look, soft: np.ndarray, limb: tuple[int, ...]) -> list[float]:
    """Levels of contrast beside each visible bone of a limb that is long enough and has a place of its own."""
    unit = unit_of(look)
    ends = [(a, b) for a, b in pairwise(limb) if (look.visibility[[a, b]] == VISIBLE).all()]
    bones = [(a, b) for a, b in ends if np.linalg.norm(look.joints[a] - look.joints[b]) >= _SHORT * unit]
    marks = (_mark(soft, look.joints, a, b, _REACH * unit) for a, b in bones)
    return [mark for mark in marks if mark is not None]


def _mark(image: np.ndarray, joints: np.ndarray, a: int, b: int, reach: float) -> float | None:
    """Levels between lightest and darkest across the bone from joint a to b, in the fainter of its pieces."""
    places, off = _beside(joints[a], joints[b], reach)
    maps = (places - 0.5).astype(np.float32)
    strip = cv2.remap(image, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    own = _own(joints, places, off, {a, b})
    levels = [_contrast(*piece) for piece in zip(np.array_split(strip, _PIECES), np.array_split(own, _PIECES), strict=True)]
    return min((level for level in levels if level is not None), default=None)


def _beside(a: np.ndarray, b: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Places (_ALONG, _ACROSS, 2) px along a bone and `reach` to either side, and how far off it (_ACROSS,) they are."""
    way = b - a
    side = np.array([-way[1], way[0]]) / max(float(np.linalg.norm(way)), 1e-6)
    off = np.linspace(-reach, reach, _ACROSS)
    return a + np.linspace(*_ENDS, _ALONG)[:, None, None] * way + off[None, :, None] * side, np.abs(off)


def _own(joints: np.ndarray, places: np.ndarray, off: np.ndarray, bone: set[int]) -> np.ndarray:
    """Which of the places are nearer to the bone than to any other, and not in the head: bool, the shape of places[..., 0]."""
    own = np.linalg.norm(places - joints[0], axis=-1) > _HEAD * np.linalg.norm(joints[0] - joints[1])
    for edge in (*EDGES, *_TRUNK):
        if set(edge) != bone:
            own &= _distance(places, *joints[list(edge)]) > off
    return own


def _distance(places: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """From the segment between a and b."""
    way = b - a
    share = np.clip((places - a) @ way / max(float(way @ way), 1e-6), 0, 1)
    return np.linalg.norm(places - a - share[..., None] * way, axis=-1)


def _contrast(strip: np.ndarray, own: np.ndarray) -> float | None:
    """Levels between lightest and darkest column of a strip (L, W, 3), each the mean of its own rows; None where too few are."""
    held = own.sum(0)
    columns = held >= _FEWEST_ROWS
    if columns.sum() < _FEWEST_COLUMNS:
        return None
    mean = (strip * own[..., None]).sum(0)[columns] / held[columns, None]
    return float(np.ptp(cv2.blur(mean[None].astype(np.float32), (3, 1))[0], axis=0).max())
