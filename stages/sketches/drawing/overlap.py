"""What is painted after what, where shapes cover each other: a limb after all that it passes in front of."""

from collections import Counter

import cv2
import numpy as np

from manifests.skeleton import LIMB_PAIRS, LIMBS
from stages.body.figure import Figure
from stages.projections.labels import limb_order
from stages.sketches.drawing.pen import arc
from stages.sketches.drawing.primitives import ARMS, LEGS

Piece = tuple[int, ...]  # by its joints

HEAD, TRUNK = (0,), (1, 8, 11)
_PIECE = {name: next((limb for limb in (*ARMS, *LEGS) if set(bone) <= set(limb)), TRUNK) for name, bone in LIMBS.items()}


def in_order(figure: Figure, radius: float) -> list[Piece]:
    """Head, trunk, arms and legs from behind to the front; radius in units: of the circle that the head may fill."""
    waiting, order = _usual(figure), []
    pairs = _crossing(figure) | _covering(figure, radius)
    while waiting:
        free = [piece for piece in waiting if not any((piece, other) in pairs for other in waiting)]
        order.append((free or waiting)[0])  # none is free where each lies over the next, all round
        waiting.remove(order[-1])
    return order


def _usual(figure: Figure) -> list[Piece]:
    """Far arms, legs, trunk, near arms, head."""
    arms, legs = (sorted(limbs, key=lambda limb: -_depth(figure, limb)) for limbs in (ARMS, LEGS))
    far = [arm for arm in arms if _depth(figure, arm[1:]) > _depth(figure, TRUNK)]
    return [*far, *legs, TRUNK, *(arm for arm in arms if arm not in far), HEAD]


def _crossing(figure: Figure) -> set[tuple[Piece, Piece]]:
    """(in front, behind) of limbs and trunk whose bones cross."""
    nearer: Counter[tuple[Piece, Piece]] = Counter()
    for (a, b), sign in zip(LIMB_PAIRS, limb_order(figure.joints16, figure.camera_K).tolist(), strict=True):
        nearer[_PIECE[a], _PIECE[b]] -= sign
    return {(a, b) if lead > 0 else (b, a) for (a, b), lead in nearer.items() if lead}


def _covering(figure: Figure, radius: float) -> set[tuple[Piece, Piece]]:
    """(in front, behind) of limbs before the head, and of legs before the trunk."""
    circle, trunk = arc(figure.joints16_2d[0], radius), cv2.convexHull(figure.joints16_2d[[1, 2, 5, 8, 11]].astype(np.float32))[:, 0]
    before_head = {(limb, HEAD) for limb in (*ARMS, *LEGS) if _passes(figure, limb, circle, _depth(figure, HEAD))}
    return before_head | {(leg, TRUNK) for leg in LEGS if _passes(figure, leg, trunk, _depth(figure, TRUNK))}


def _passes(figure: Figure, limb: Piece, outline: np.ndarray, depth: float) -> bool:
    """Whether the outer bone of a limb comes nearer than a depth within an outline (N, 2)."""
    start, end = np.column_stack([figure.joints16_2d, figure.joints16[:, 2]])[list(limb[1:])]
    path = start + np.linspace(0, 1, 9)[:, None] * (end - start)
    shape = outline.astype(np.float32)
    return any(z < depth and cv2.pointPolygonTest(shape, (x, y), False) > 0 for x, y, z in path.tolist())


def _depth(figure: Figure, joints: Piece) -> float:
    return float(figure.joints16[list(joints), 2].mean())
