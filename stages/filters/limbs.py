"""Is every limb drawn that the labels call visible? A limb leaves marks along its bones, and the detector finds its joints.

The picture is straightened along each bone and averaged along its length: what runs beside the bone stays, grain and brush
strokes that run across it cancel out. What lies nearer to another bone is that one's. How much each piece of evidence says is
learned from limbs that were erased on purpose (learn.py).
"""

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np

from manifests.skeleton import EDGES, MIRROR, VISIBLE
from stages.filters.look import Look, closeness, unit_of

Limb = tuple[int, ...]
# Joints of arms and legs, and those that a limb alone accounts for.
LIMBS: dict[Limb, Limb] = {(2, 3, 4): (3, 4), (5, 6, 7): (6, 7), (8, 9, 10): (9, 10, 15), (11, 12, 13): (12, 13, 14)}
# Of a limb: its faintest bone against the paper's texture, its clearest against the figure's other bones, the confidence in its
# joints, their closeness to the labels, and that of the opposite limb, which a reader takes for both where one is missing.
EVIDENCE = ("texture", "bones", "confidence", "near", "opposite")
# The bones, and beside them the trunk's outline.
_FIGURE = np.array((*EDGES, (2, 8), (5, 11), (8, 11), (2, 5)))
_SHORT, _REACH = 0.25, 0.25  # torso lengths: a bone drawn shorter says nothing; how far to its sides is looked
_AWAY, _CLEAR = (-0.9, -0.6, 0.6, 0.9), 0.3  # torso lengths: where the texture is looked at, and how far from every bone
_GRAIN, _PLAIN = 3.0, 3.0  # levels: what is added to the texture, and what it is where the figure leaves no room
_HEAD = 1.2  # lengths from head to neck: the radius of what is the head's
_ALONG, _ACROSS, _PIECES = 24, 33, 2
_ENDS = (0.15, 0.9)  # of a bone: what lies at its joints belongs to others as well
_FEWEST_ROWS, _FEWEST_COLUMNS = 6, 9  # of a piece, that are this bone's own


def check(look: Look, least: float, weights: np.ndarray) -> tuple[bool, str, float]:
    """(keep, reason, how surely the least certain of the visible limbs is drawn, in [0, 1]); 1 where no limb can be judged."""
    score = least_certain(look, weights)
    keep = score >= least
    return keep, "" if keep else "a limb is missing", score


def least_certain(look: Look, weights: np.ndarray) -> float:
    """The least probability that a limb is drawn; weights (6,) of EVIDENCE and a constant, as learn.py gives them."""
    sums = [float(weights[:-1] @ said + weights[-1]) for said in evidence(look).values()]
    return float(1 / (1 + np.exp(-min(sums)))) if sums else 1.0


def evidence(look: Look) -> dict[Limb, np.ndarray]:
    """EVIDENCE (5,) of each limb that is labelled visible and long enough to be judged."""
    soft = cv2.GaussianBlur(look.image, (3, 3), 0)
    marks = {limb: [mark for bone in _bones(look, limb) if (mark := _mark(look, soft, bone)) is not None] for limb in LIMBS}
    usual = float(np.median([mark for those in marks.values() for mark in those] or [1.0]))
    textures = [level for limb in LIMBS for bone in _bones(look, limb) for level in _textures(look, soft, bone)]
    texture, near = float(np.median(textures or [_PLAIN])), closeness(look)
    found: dict[Limb, np.ndarray] = {}
    for limb, those in marks.items():
        if those and (look.visibility[list(limb)] == VISIBLE).all():
            ends = list(LIMBS[limb])
            drawn = np.log((min(those) + 1) / (texture + _GRAIN)), min(max(those) / max(usual, 1e-6), 1.0)
            read = look.confidence[ends].mean(), near[ends].mean(), near[[MIRROR[joint] for joint in ends]].mean()
            found[limb] = np.array([*drawn, *read])
    return found


def _bones(look: Look, limb: Limb) -> list[tuple[int, int]]:
    """The visible bones of a limb that are long enough."""
    ends = [(a, b) for a, b in pairwise(limb) if (look.visibility[[a, b]] == VISIBLE).all()]
    return [(a, b) for a, b in ends if np.linalg.norm(look.joints[a] - look.joints[b]) >= _SHORT * unit_of(look)]


def _mark(look: Look, image: np.ndarray, bone: tuple[int, int]) -> float | None:
    """Levels between lightest and darkest across a bone, in the fainter of its pieces; None where it has no place of its own."""
    places, off, _ = _beside(look, bone)
    return min(_levels(image, places, _own(look.joints, places, off, set(bone))), default=None)


def _textures(look: Look, image: np.ndarray, bone: tuple[int, int]) -> Iterator[float]:
    """The same of strips along the bone that lie beside the figure, in the picture."""
    places, _, side = _beside(look, bone)
    height, width = image.shape[:2]
    for away in _AWAY:
        moved = places + away * unit_of(look) * side
        if (moved >= 0).all() and (moved < (width, height)).all():
            clear = _distances(moved, look.joints, _FIGURE) > _CLEAR * unit_of(look)
            yield from _levels(image, moved, np.all(clear, axis=0))


def _beside(look: Look, bone: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (_ALONG, _ACROSS, 2) px along a bone and to its sides, how far off it (_ACROSS,) they are, and which way (2,)."""
    a, b = look.joints[list(bone)]
    way, reach = b - a, _REACH * unit_of(look)
    side = np.array([-way[1], way[0]]) / max(float(np.linalg.norm(way)), 1e-6)
    off = np.linspace(-reach, reach, _ACROSS)
    return a + np.linspace(*_ENDS, _ALONG)[:, None, None] * way + off[None, :, None] * side, np.abs(off), side


def _own(joints: np.ndarray, places: np.ndarray, off: np.ndarray, bone: set[int]) -> np.ndarray:
    """Which of the places are nearer to the bone than to any other, and not in the head: bool, the shape of places[..., 0]."""
    others = np.array([edge for edge in _FIGURE if set(edge) != bone])
    outside_head = np.linalg.norm(places - joints[0], axis=-1) > _HEAD * np.linalg.norm(joints[0] - joints[1])
    return outside_head & np.all(_distances(places, joints, others) > off, axis=0)


def _distances(places: np.ndarray, joints: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Of places (..., 2) from the segments between joints (16, 2) that edges (E, 2) name: (E, ...)."""
    spread = (len(edges), 2, *[1] * (places.ndim - 1))
    (x0, y0), (dx, dy) = (ends.reshape(spread).swapaxes(0, 1) for ends in (joints[edges[:, 0]], joints[edges[:, 1]] - joints[edges[:, 0]]))
    x, y = places[..., 0] - x0, places[..., 1] - y0
    share = np.clip((x * dx + y * dy) / np.maximum(dx * dx + dy * dy, 1e-6), 0, 1)
    return np.sqrt((x - share * dx) ** 2 + (y - share * dy) ** 2)


def _levels(image: np.ndarray, places: np.ndarray, own: np.ndarray) -> list[float]:
    """The contrast of each piece of a strip of which enough is `own`."""
    maps = (places - 0.5).astype(np.float32)
    strip = cv2.remap(image, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    levels = [_contrast(*piece) for piece in zip(np.array_split(strip, _PIECES), np.array_split(own, _PIECES), strict=True)]
    return [level for level in levels if level is not None]


def _contrast(strip: np.ndarray, own: np.ndarray) -> float | None:
    """Levels between lightest and darkest column of a strip (L, W, 3), each the mean of its own rows; None where too few are."""
    held = own.sum(0)
    columns = held >= _FEWEST_ROWS
    if columns.sum() < _FEWEST_COLUMNS:
        return None
    mean = (strip * own[..., None]).sum(0)[columns] / held[columns, None]
    return float(np.ptp(cv2.blur(mean[None].astype(np.float32), (3, 1))[0], axis=0).max())
