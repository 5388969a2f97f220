"""Points of a drawing that are no SMPL joints: skull centre and toe tips, found on any SMPL-format mesh."""

import numpy as np

HEAD, LEFT_FOOT, RIGHT_FOOT = 15, (7, 10), (8, 11)
# The joint that carries each landmark: head, left toes, right toes.
CARRIERS = np.array([15, 10, 11])
_TOE_VERTICES = 12


def landmark_vertices(template: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Indices of the vertices whose mean is the skull centre, the left and the right toe tip.

    The skull's are its outermost to the left, right, front and back, so the centre lies between the ears and follows the shape.
    """
    owner = weights.argmax(1)
    head = np.flatnonzero(owner == HEAD)
    sides = [head[(sign * template[head, axis]).argmax()] for axis in (0, 2) for sign in (-1, 1)]
    return [np.array(sides), _toes(template, owner, LEFT_FOOT), _toes(template, owner, RIGHT_FOOT)]


def _toes(template: np.ndarray, owner: np.ndarray, joints: tuple[int, int]) -> np.ndarray:
    foot = np.flatnonzero(np.isin(owner, joints))
    return foot[np.argsort(-template[foot, 2], kind="stable")[:_TOE_VERTICES]]
