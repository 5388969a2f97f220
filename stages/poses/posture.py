"""What has to be found out about a skeleton before its movement can be carried over: its posture at rest, its axes, its unit."""

import numpy as np

from manifests.skeleton import SMPL_JOINTS
from stages.body.rotations import unit_vectors
from stages.poses.motion import Motion

INDEX = {name: i for i, name in enumerate(SMPL_JOINTS)}
SIDES = ("left", "right")
_PARTS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
# Limb bones: (role that turns, role at its end).
LIMBS = tuple((f"{side}_{a}", f"{side}_{b}") for side in SIDES for a, b in _PARTS)
# Units in a metre. A file's is the one in which its trunk and legs come nearest to SMPL's.
_UNITS = {"m": 1.0, "dm": 10.0, "cm": 100.0, "mm": 1000.0, "inch": 39.37, "foot": 3.281, "CMU unit (5.6 cm)": 17.72}


def reference_pose(motion: Motion, roles: dict[str, int], world: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Rotations (J, 3, 3) and places (J, 3) of the reference pose, and its name."""
    if _standing(motion.rest[None], roles)[0] > 0.5:
        return np.broadcast_to(np.eye(3), world.shape[1:]), motion.rest, "zero pose"
    best = int(_standing(places, roles).argmax())
    return world[best], places[best], f"frame {motion.numbers[best]}"


def _standing(places: np.ndarray, roles: dict[str, int]) -> np.ndarray:
    """How much each of (T, J, 3) is a person with legs below the trunk and straight limbs: the least cosine, -1 to 1."""
    trunk = unit_vectors(places[:, roles["chest"]] - middle(places, roles, "hip"))
    cosines = []
    for side in SIDES:
        upper, fore, thigh, shin = (unit_vectors(places[:, roles[f"{side}_{b}"]] - places[:, roles[f"{side}_{a}"]]) for a, b in _PARTS)
        cosines += [(upper * fore).sum(-1), -(trunk * thigh).sum(-1), -(trunk * shin).sum(-1)]
    return np.nan_to_num(np.min(cosines, 0), nan=-1.0)


def body_frame(places: np.ndarray, roles: dict[str, int]) -> np.ndarray:
    """Rotation (3, 3) from the file's axes to the body's own: x to its left, y up the trunk, z ahead."""
    left = unit_vectors(places[roles["left_hip"]] - places[roles["right_hip"]])
    trunk = middle(places[None], roles, "shoulder")[0] - middle(places[None], roles, "hip")[0]
    up = unit_vectors(trunk - (trunk @ left) * left)
    return np.stack([left, up, np.cross(left, up)])


def up_axis(places: np.ndarray, roles: dict[str, int], frame: np.ndarray) -> str:
    """The axis that points up: that along which trunks are held on the whole; where people lie, the reference's."""
    trunk = unit_vectors(middle(places, roles, "shoulder") - middle(places, roles, "hip")).mean(0)
    held = trunk if max(trunk[1], trunk[2]) > 0.6 else frame[1]
    return "z" if held[2] > held[1] else "y"


def unit_of(places: np.ndarray, roles: dict[str, int], rest: np.ndarray) -> str:
    """The known unit in which thigh, shin and trunk come nearest to SMPL's."""

    def size(points, of):
        bones = (("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("left_hip", "left_shoulder"))
        return sum(np.linalg.norm(points[of[b]] - points[of[a]]) for a, b in bones)

    ratio = size(places, roles) / size(rest, INDEX)
    return min(_UNITS, key=lambda name: abs(np.log(ratio / _UNITS[name])))


def middle(places: np.ndarray, roles: dict[str, int], part: str) -> np.ndarray:
    return (places[:, roles[f"left_{part}"]] + places[:, roles[f"right_{part}"]]) / 2
