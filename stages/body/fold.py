"""Whole bodies with fingers and a face (SMPL-H, 52 joints; SMPL-X, 55) folded into SMPL's 24 joints."""

import numpy as np

from manifests.skeleton import SMPL_PARENTS

_FINGERS = {52: (range(22, 37), range(37, 52)), 55: (range(25, 40), range(40, 55))}  # left, right: index, middle, pinky, ring, thumb
_KNUCKLES = {52: (25, 40), 55: (28, 43)}  # of the middle fingers: SMPL's hand joints
_WRISTS, _HANDS, _HEAD, _SHARED = (20, 21), (22, 23), 15, 22


def _parents(joints: int) -> tuple[int, ...]:
    face = (_HEAD,) * (joints - _SHARED - 30)
    fingers = [wrist if k == 0 else fingers[3 * d + k - 1] for wrist, fingers in zip(_WRISTS, _FINGERS[joints], strict=True)
               for d in range(5) for k in range(3)]  # fmt: skip
    return (*SMPL_PARENTS[:_SHARED], *face, *fingers)


SMPLH_PARENTS, SMPLX_PARENTS = _parents(52), _parents(55)
TREES = {24: SMPL_PARENTS, 52: SMPLH_PARENTS, 55: SMPLX_PARENTS}


def folds(joints: int) -> np.ndarray:
    """SMPL joint (joints,) that each joint of a whole body becomes part of."""
    out = np.arange(joints)
    if joints == 24:
        return out
    out[_SHARED:] = _HEAD
    for hand, fingers in zip(_HANDS, _FINGERS[joints], strict=True):
        out[list(fingers)] = hand
    return out


def fold(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of an SMPL-format file with 24 joints: fingers stay as the rest pose has them, hands turn as one, no expressions."""
    joints = arrays["weights"].shape[1]
    if joints == 24:
        return arrays
    rows = [*range(_SHARED), *_KNUCKLES[joints]]
    weights = np.zeros((len(arrays["weights"]), 24), arrays["weights"].dtype)
    np.add.at(weights.T, folds(joints), arrays["weights"].T)
    tree = np.stack([np.array(SMPL_PARENTS), np.arange(24)])
    out = {**arrays, "weights": weights, "J_regressor": arrays["J_regressor"][rows], "kintree_table": tree}
    if "posedirs" in arrays:
        kept = arrays["posedirs"][:, :, : 9 * (_SHARED - 1)]
        out["posedirs"] = np.concatenate([kept, np.zeros((*kept.shape[:2], 18), kept.dtype)], -1)
    return out
