"""Names and orders that every table, shard and metric shares: styles, joints, edges, limbs, body parts."""

STYLE_TEXTS = {
    "cartoon": "cartoon",
    "oil": "oil painting",
    "ink": "ink painting",
    "charcoal": "charcoal sketch",
    "stick": "stick figure",
    "kids": "kids drawing",
}
STYLES = tuple(STYLE_TEXTS)


def other_side(name: str) -> str:
    """`right_knee` for `left_knee`, `head` for `head`."""
    side, _, rest = name.partition("_")
    other = {"left": "right", "right": "left"}.get(side)
    return f"{other}_{rest}" if other else name


# The 16 joints of a drawing (Sketch2PoseNet, figure 3): no spine or pelvis, the hips hang from the neck.
JOINTS = (
    "head", "neck",
    "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle",
    "left_hip", "left_knee", "left_ankle",
    "left_toe", "right_toe",
)  # fmt: skip

# (parent, child) of each bone, in the order of depth_step and foreshortening.
EDGES = (
    (0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8),
    (8, 9), (9, 10), (10, 15), (1, 11), (11, 12), (12, 13), (13, 14),
)  # fmt: skip

PARENTS, CHILDREN = (list(ends) for ends in zip(*EDGES, strict=True))  # 15 each

# Joint i of a mirrored figure is joint MIRROR[i] of the original.
MIRROR = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14)

RIGHT_HIP, LEFT_HIP, NECK = 8, 11, 1

OUTSIDE, OCCLUDED, VISIBLE = 0, 1, 2  # of a joint, in `visibility`

SMPL_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip

# SMPL joint i of a mirrored figure is joint SMPL_MIRROR[i] of the original.
SMPL_MIRROR = tuple(SMPL_JOINTS.index(other_side(name)) for name in SMPL_JOINTS)

SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)

# Segments whose crossings limb_order records, as pairs of the 16 joints; the torso ends halfway between the hips.
LIMBS = {
    "torso": (NECK, (RIGHT_HIP, LEFT_HIP)),
    "right_upper_arm": (2, 3), "right_forearm": (3, 4), "left_upper_arm": (5, 6), "left_forearm": (6, 7),
    "right_thigh": (8, 9), "right_shin": (9, 10), "left_thigh": (11, 12), "left_shin": (12, 13),
}  # fmt: skip

_JOINED = {
    ("right_upper_arm", "right_forearm"), ("left_upper_arm", "left_forearm"),
    ("right_thigh", "right_shin"), ("left_thigh", "left_shin"), ("torso", "right_thigh"), ("torso", "left_thigh"),
}  # fmt: skip

# Every pair of limbs that do not share a joint: the order of limb_order.
LIMB_PAIRS = tuple(
    (a, b) for i, a in enumerate(LIMBS) for b in list(LIMBS)[i + 1 :] if (a, b) not in _JOINED
)  # fmt: skip

# Rows and columns of the contact matrix.
BODY_PARTS = (
    "head", "chest", "hips",
    "left_upper_arm", "left_forearm", "left_hand", "right_upper_arm", "right_forearm", "right_hand",
    "left_thigh", "left_shin", "left_foot", "right_thigh", "right_shin", "right_foot",
)  # fmt: skip

# The body part that the skin of each SMPL joint belongs to.
PART_OF_SMPL_JOINT = (
    "hips", "left_thigh", "right_thigh", "hips", "left_shin", "right_shin", "chest", "left_foot", "right_foot",
    "chest", "left_foot", "right_foot", "head", "chest", "chest", "head", "left_upper_arm",
    "right_upper_arm", "left_forearm", "right_forearm", "left_hand", "right_hand", "left_hand", "right_hand",
)  # fmt: skip
