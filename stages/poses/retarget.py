"""From the movement of any skeleton to SMPL poses that keep the directions of its bones.

Each joint's turn since the reference pose (the zero pose, where that is a person standing; else the frame that comes
nearest to one) is carried over; limbs, hips and trunk are then swung onto the lines of the file. What has no line of
its own that two skeletons would share (neck, head, collars, feet) keeps its turn since the reference; but a roll that no ankle
allows is taken from feet.
"""

from dataclasses import dataclass

import numpy as np

from manifests.errors import UserError
from manifests.skeleton import SMPL_PARENTS
from stages.body.rotations import about, angle_between, axis_angle_from_matrix, matrix_from_axis_angle, swing, unit_vectors
from stages.poses.motion import Motion
from stages.poses.posture import INDEX, LIMBS, SIDES, body_frame, middle, reference_pose, unit_of, up_axis

_AHEAD = 0.1  # of a foot's length, or its yaw is not known
_ROLLED = np.radians(75)  # an ankle gives 30


@dataclass(frozen=True, eq=False)
class Retargeted:
    """turns (T, 24, 3, 3): SMPL's local rotations, the first in a world with y up. up, unit, reference: what was guessed.

    error (T, B): degrees between the bones in LINES, then the trunk, and those of the file.
    """

    turns: np.ndarray
    up: str
    unit: str
    reference: str
    error: np.ndarray


def retarget(motion: Motion, roles: dict[str, int], rest: np.ndarray, up: str = "auto") -> Retargeted:
    """SMPL's rotations for a movement. roles: part -> joint of the file. rest (24, 3): SMPL's joints in its rest pose."""
    world, places = motion.forward()
    rested, still, name = reference_pose(motion, roles, world, places)
    frame = body_frame(rest, INDEX).T @ body_frame(still, roles)  # SMPL's trunk leans against its y
    if not np.isfinite(frame).all():
        raise UserError(f"{motion.where}: its hips or its trunk have no length, so its facing is unknown")
    up = up_axis(places, roles, frame) if up == "auto" else up
    upright = about("x", -np.pi / 2) if up == "z" else np.eye(3)
    turned = {role: upright @ world[:, j] @ rested[j].T @ frame.T for role, j in roles.items()}
    unit, aimed, still = unit_of(still, roles, rest), places @ upright.T, still @ frame.T
    if name != "zero pose":  # somebody's true posture: the shoulders need not be square to the hips
        square = swing(_bone(rest, "right_shoulder", "left_shoulder"), _line(still[None], roles, "shoulder")[0])
        turned |= {role: turned[role] @ square for role in ("chest", "neck", "head", "left_collar", "right_collar") if role in turned}
    turned["pelvis"] = swing(turned["pelvis"] @ _bone(rest, "right_hip", "left_hip"), _line(aimed, roles, "hip")) @ turned["pelvis"]
    turns = _globals(turned, aimed, roles, still, rest)
    return Retargeted(_locals(turns), up, unit, name, _errors(turns, aimed, roles, rest))


def _globals(turned: dict[str, np.ndarray], places: np.ndarray, roles: dict[str, int], still: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """World rotation (T, 24, 3, 3) of each SMPL joint.

    turned: part -> rotation since the reference, in a world with y up. places (T, J, 3) there. still (J, 3): the
    reference in the axes of SMPL's rest pose (x to its left, y up, z ahead).
    """
    out = np.broadcast_to(turned["pelvis"][:, None], (len(places), 24, 3, 3)).copy()
    for share, joint in ((1 / 3, "spine1"), (2 / 3, "spine2"), (1.0, "spine3")):
        out[:, INDEX[joint]] = _between(turned["pelvis"], turned["chest"], share)
    out[:, INDEX["neck"]] = turned.get("neck", _between(turned["chest"], turned["head"], 0.5))
    out[:, INDEX["head"]] = turned["head"]
    for side in SIDES:
        out[:, INDEX[f"{side}_collar"]] = turned.get(f"{side}_collar", turned["chest"])
        for start, end in [bone for bone in LIMBS if bone[0].startswith(side)]:
            out[:, INDEX[start]] = _limb(turned[start], places, still, roles, rest, start, end)
        arm = swing(_bone(rest, f"{side}_elbow", f"{side}_wrist"), still[roles[f"{side}_wrist"]] - still[roles[f"{side}_elbow"]])
        out[:, INDEX[f"{side}_wrist"]] = turned[f"{side}_wrist"] @ arm
        out[:, INDEX[f"{side}_hand"]] = out[:, INDEX[f"{side}_wrist"]]
        foot = turned[f"{side}_ankle"] @ _foot_yaw(still, roles, rest, side)
        out[:, INDEX[f"{side}_ankle"]] = _unrolled(foot, out[:, INDEX[f"{side}_knee"]], _bone(rest, f"{side}_ankle", f"{side}_foot"))
        out[:, INDEX[f"{side}_foot"]] = out[:, INDEX[f"{side}_ankle"]]
    _aim_trunk(out, places, roles, rest)
    return out


def _aim_trunk(turns: np.ndarray, places: np.ndarray, roles: dict[str, int], rest: np.ndarray) -> None:
    """Swings the lower spine so that the trunk points where the file's does: spines bend at other places than SMPL's."""
    wanted, lower = middle(places, roles, "shoulder") - middle(places, roles, "hip"), [INDEX["spine1"], INDEX["spine2"]]
    for _ in range(4):  # the lower spine moves only part of the trunk, so each falls a little short
        joints = _joints(turns, rest)
        correction = swing(middle(joints, INDEX, "shoulder") - middle(joints, INDEX, "hip"), wanted)
        turns[:, lower] = correction[:, None] @ turns[:, lower]


def _limb(turned: np.ndarray, places, still, roles, rest, start: str, end: str) -> np.ndarray:
    """The limb's turn since the reference, swung the rest of the way onto the bone as it lies in each frame."""
    bone = _bone(rest, start, end)
    out = turned @ swing(bone, still[roles[end]] - still[roles[start]])
    return swing(out @ bone, places[:, roles[end]] - places[:, roles[start]]) @ out


def _unrolled(foot: np.ndarray, shin: np.ndarray, length: np.ndarray) -> np.ndarray:
    """World turns (T, 3, 3) of a foot, pointing as they did, without a roll about its own length (3,) that no ankle allows: some
    recordings have their soles to the sky, where lines between joints do not show it."""
    against = np.swapaxes(shin, -1, -2) @ foot
    pointed = swing(length, against @ length)
    rolled = angle_between(pointed, against) > _ROLLED
    return np.where(rolled[:, None, None], shin @ pointed, foot)


def _foot_yaw(still: np.ndarray, roles: dict[str, int], rest: np.ndarray, side: str) -> np.ndarray:
    """How far the reference's foot points outwards more than SMPL's; both stand flat on the ground."""
    if f"{side}_toe" not in roles:
        return np.eye(3)
    foot = still[roles[f"{side}_toe"]] - still[roles[f"{side}_ankle"]]
    ours = rest[INDEX[f"{side}_foot"]] - rest[INDEX[f"{side}_ankle"]]
    level = np.array([1.0, 0.0, 1.0])
    if not (unit_vectors(foot) * level) @ unit_vectors(ours * level) > _AHEAD:
        return np.eye(3)  # a foot that hangs straight down, or no true toe, tells nothing
    return swing(ours * level, foot * level)


def _errors(turns: np.ndarray, places: np.ndarray, roles: dict[str, int], rest: np.ndarray) -> np.ndarray:
    """Degrees (T, B) between SMPL's bones and the file's: limbs, then trunk, shoulder line and hip line."""
    joints = _joints(turns, rest)
    pairs = [(joints[:, INDEX[b]] - joints[:, INDEX[a]], places[:, roles[b]] - places[:, roles[a]]) for a, b in LINES]
    pairs.append(tuple(middle(p, of, "shoulder") - middle(p, of, "hip") for p, of in ((joints, INDEX), (places, roles))))
    cosines = [(unit_vectors(ours) * unit_vectors(theirs)).sum(-1) for ours, theirs in pairs]
    return np.degrees(np.arccos(np.clip(np.stack(cosines, -1), -1, 1)))


LINES = (*LIMBS, ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"))


def _joints(turns: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """SMPL's joints (T, 24, 3) for world rotations (T, 24, 3, 3), the pelvis at the origin."""
    joints = np.zeros((len(turns), 24, 3))
    for joint, parent in enumerate(SMPL_PARENTS[1:], 1):
        joints[:, joint] = joints[:, parent] + turns[:, parent] @ (rest[joint] - rest[parent])
    return joints


def _locals(turns: np.ndarray) -> np.ndarray:
    out = turns.copy()
    for joint, parent in enumerate(SMPL_PARENTS[1:], 1):
        out[:, joint] = np.swapaxes(turns[:, parent], -1, -2) @ turns[:, joint]
    return out


def _line(places: np.ndarray, roles: dict[str, int], part: str) -> np.ndarray:
    """From the right to the left hip or shoulder (T, 3)."""
    return places[:, roles[f"left_{part}"]] - places[:, roles[f"right_{part}"]]


def _bone(rest: np.ndarray, start: str, end: str) -> np.ndarray:
    return rest[INDEX[end]] - rest[INDEX[start]]


def _between(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """The rotation `share` of the way from a to b."""
    return a @ matrix_from_axis_angle(share * axis_angle_from_matrix(np.swapaxes(a, -1, -2) @ b))
