"""Are the labelled joints where the detector reads them?"""

from itertools import product

import numpy as np

from manifests.skeleton import JOINTS, MIRROR, VISIBLE
from stages.filters.look import Look, closeness, unit_of

NEAR = 0.2  # torso lengths: a joint read no farther off agrees with its label
_SURE = 0.8  # mean confidence of a limb's joints from which the detector is taken at its word about left and right
_ARMS, _LEGS = range(2, 8), range(8, 16)


def check(look: Look, least: float, least_pck: float) -> tuple[bool, str, tuple[float, float]]:
    """(keep, reason, (OKS, PCK)) over the joints that the labels call visible; with none of them, there is nothing to agree."""
    score = agreement(look)
    keep = score[0] >= least and score[1] >= least_pck
    return keep, "" if keep else "the pose does not agree", score


def agreement(look: Look) -> tuple[float, float]:
    """OKS and PCK of the reading that fits best among those that take left for right where the detector is not sure which is which."""
    seen = look.visibility == VISIBLE
    if not seen.any():
        return 0.0, 0.0
    readings = _readings(look.confidence)
    oks = [float(closeness(look, order)[seen].mean()) for order in readings]
    best = int(np.argmax(oks))
    off = np.linalg.norm(look.found_joints[readings[best]] - look.joints, axis=-1)[seen]
    return oks[best], float((off <= NEAR * unit_of(look)).mean())


def _readings(confidence: np.ndarray) -> list[list[int]]:
    """Orders (16,) of the read joints: as read, and with arms or legs swapped that may have been taken for one another."""
    unsure = [side for side in (_ARMS, _LEGS) if confidence[list(side)].mean() < _SURE]
    orders = []
    for swaps in product((False, True), repeat=len(unsure)):
        swapped = {joint for side, swap in zip(unsure, swaps, strict=True) if swap for joint in side}
        orders.append([MIRROR[joint] if joint in swapped else joint for joint in range(len(JOINTS))])
    return orders
