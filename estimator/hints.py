"""What a user knows of a drawing and its joints do not say: which limbs are nearer to the viewer, which parts touch."""

from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor

from manifests.errors import UserError
from manifests.skeleton import BODY_PARTS, LEFT_HIP, LIMBS, NECK, RIGHT_HIP

# LIMBS but the torso, which ends between two joints.
_BONES = cast(dict[str, tuple[int, ...]], {name: limb for name, limb in LIMBS.items() if name != "torso"})
# Limbs as chains of the 16 joints, from the trunk outwards.
CHAINS: dict[str, tuple[int, ...]] = {
    "right_arm": (2, 3, 4), "left_arm": (5, 6, 7), "right_leg": (8, 9, 10), "left_leg": (11, 12, 13),
    **_BONES,
}  # fmt: skip
# Body parts as segments between joints; the chest ends halfway down the trunk.
_SEGMENTS: dict[str, tuple[int, ...]] = {
    "head": (0, 0), "hips": (RIGHT_HIP, LEFT_HIP),
    "left_hand": (7, 7), "right_hand": (4, 4), "left_foot": (13, 14), "right_foot": (10, 15),
    **_BONES,
}  # fmt: skip
_MARGIN = 0.06  # metres that a limb shall reach towards the viewer
_TOUCH = 0.1  # metres between the middles of parts that touch
_POINTS = 5  # looked at along a segment


class Hints(NamedTuple):
    """nearer: names of CHAINS that reach towards the viewer; touching: pairs of skeleton.BODY_PARTS."""

    nearer: tuple[str, ...] = ()
    touching: tuple[tuple[str, str], ...] = ()


def hints_of(front: str = "", touch: str = "") -> Hints:
    """From `left_arm,right_leg` and `left_hand:head,right_hand:hips`. Raises UserError naming what is unknown."""
    nearer = tuple(name.strip() for name in front.split(",") if name.strip())
    pairs = tuple(tuple(part.strip() for part in pair.split(":")) for pair in touch.split(",") if pair.strip())
    for name in nearer:
        if name not in CHAINS:
            raise UserError(f"--front {name}: expected some of {', '.join(CHAINS)}")
    for pair in pairs:
        if len(pair) != 2 or not set(pair) <= set(BODY_PARTS) or pair[0] == pair[1]:
            raise UserError(f"--touch {':'.join(pair)}: expected two of {', '.join(BODY_PARTS)}, as in left_hand:head")
    return Hints(nearer, tuple((a, b) for a, b in pairs))


def depth_gap(joints: Tensor, hints: Hints) -> Tensor:
    """Metres (N,) by which joints (N, 16, 3) of nearer limbs fail to be nearer than where the limb begins."""
    gaps = [(joints[:, joint, 2] - joints[:, CHAINS[name][0], 2] + _MARGIN).relu() for name in hints.nearer for joint in CHAINS[name][1:]]
    # Each bone too, or a forearm could go back from an elbow that is far enough in front.
    gaps += [(joints[:, b, 2] - joints[:, a, 2]).relu() for name in hints.nearer for a, b in pairwise(CHAINS[name])]
    return torch.stack(gaps).sum(0) if gaps else joints.new_zeros(len(joints))


def contact_gap(joints: Tensor, hints: Hints) -> Tensor:
    """Metres (N,) that part touching body parts of joints (N, 16, 3)."""
    gaps = [(torch.cdist(_along(joints, a), _along(joints, b)).flatten(1).amin(1) - _TOUCH).relu() for a, b in hints.touching]
    return torch.stack(gaps).sum(0) if gaps else joints.new_zeros(len(joints))


def _along(joints: Tensor, part: str) -> Tensor:
    """Points (N, _POINTS, 3) along a body part."""
    if part == "chest":
        first, last = joints[:, NECK], (joints[:, NECK] * 2 + joints[:, RIGHT_HIP] + joints[:, LEFT_HIP]) / 4
    else:
        first, last = (joints[:, joint] for joint in _SEGMENTS[part])
    share = torch.linspace(0, 1, _POINTS)[:, None]
    return first[:, None] * (1 - share) + last[:, None] * share
