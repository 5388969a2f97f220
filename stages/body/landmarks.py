"""Points of a drawing that are no SMPL joints, found on any SMPL-format mesh: skull centre, toe tips, face, heels."""

import numpy as np

HEAD, LEFT_FOOT, RIGHT_FOOT = 15, (7, 10), (8, 11)
# The joint that carries each landmark: head, left toes, right toes.
CARRIERS = np.array([15, 10, 11])
_TOE_VERTICES = 12
_FEW = 6

# Marks on the skin, in the order of surface_marks.
MARKS = (
    "skull", "left_toe", "right_toe", "crown", "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel", "right_heel",
)  # fmt: skip
# Eyes, as shares of the way from the nose's tip to the crown and of the way out to the ears; facial canon: half-way up the head.
_EYE_UP, _EYE_OUT = 0.26, 0.4


def landmark_vertices(template: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Indices of the vertices whose mean is the skull centre, the left and the right toe tip.

    The skull's are its outermost to the left, right, front and back, so the centre lies between the ears and follows the shape.
    """
    owner = weights.argmax(1)
    head = np.flatnonzero(owner == HEAD)
    sides = [head[(sign * template[head, axis]).argmax()] for axis in (0, 2) for sign in (-1, 1)]
    return [np.array(sides), _toes(template, owner, LEFT_FOOT), _toes(template, owner, RIGHT_FOOT)]


def surface_marks(template: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Indices of the vertices whose mean is each of MARKS on a mesh (V, 3) in the rest pose with weights (V, 24)."""
    owner = weights.argmax(1)
    head = np.flatnonzero(owner == HEAD)
    nose, crown = _extreme(template, head, (0, 0, 1)), _extreme(template, head, (0, 1, 0))
    ears = [_extreme(template, head, (sign, 0, 0)) for sign in (1, -1)]
    eyes = [_eye(template, head, nose, crown, ear) for ear in ears]
    feet = [np.flatnonzero(np.isin(owner, joints)) for joints in (LEFT_FOOT, RIGHT_FOOT)]
    toes = [_toe(template, foot, sign, inner) for inner in (-1, 1) for foot, sign in zip(feet, (1, -1), strict=True)]
    heels = [_extreme(template, foot, (0, -0.3, -1)) for foot in feet]
    return [*landmark_vertices(template, weights), crown, nose, *eyes, *ears, *toes, *heels]


def _extreme(template: np.ndarray, among: np.ndarray, direction: tuple[float, float, float]) -> np.ndarray:
    """The few vertices farthest along a direction."""
    return among[np.argsort(-(template[among] @ np.array(direction)), kind="stable")[:_FEW]]


def _eye(template: np.ndarray, head: np.ndarray, nose: np.ndarray, crown: np.ndarray, ear: np.ndarray) -> np.ndarray:
    """The few front vertices of the head around where an eye is."""
    tip, top, side = (template[v].mean(0) for v in (nose, crown, ear))
    spot = np.array([_EYE_OUT * side[0], tip[1] + _EYE_UP * (top[1] - tip[1])])
    front = head[template[head, 2] > (tip[2] + side[2]) / 2]
    return front[np.argsort(((template[front, :2] - spot) ** 2).sum(1), kind="stable")[:_FEW]]


def _toe(template: np.ndarray, foot: np.ndarray, sign: float, outer: float) -> np.ndarray:
    """The tip of the big toe (outer -1) or the small one (+1) of the foot on the side `sign` of the body."""
    reach = np.ptp(template[foot, 2])
    toes = foot[template[foot, 2] > template[foot, 2].max() - (0.25 if outer < 0 else 0.4) * reach]
    return _extreme(template, toes, (2 * outer * sign, 0, 1))


def _toes(template: np.ndarray, owner: np.ndarray, joints: tuple[int, int]) -> np.ndarray:
    foot = np.flatnonzero(np.isin(owner, joints))
    return foot[np.argsort(-template[foot, 2], kind="stable")[:_TOE_VERTICES]]
