"""From anatomical angles to SMPL's joint rotations."""

import numpy as np
from numba import njit

from stages.body.rotations import axis_angle_from_matrix
from stages.poses.limits import ANGLES, CENTRE, INDEX, SIDE

# Turns of each joint, outermost first: (joint, axis, angle, factor). SMPL's rest pose has level arms and upright legs.
_CENTRE_TURNS = (
    (0, "y", "pelvis_yaw", 1), (0, "x", "pelvis_pitch", 1), (0, "z", "pelvis_roll", -1),
    *((j, axis, f"spine_{name}", share * sign) for j, share in ((3, 0.35), (6, 0.35), (9, 0.3))
      for axis, name, sign in (("y", "twist", 1), ("z", "side", -1), ("x", "flex", 1))),
    *((j, axis, f"neck_{name}", 0.5 * sign) for j in (12, 15)
      for axis, name, sign in (("y", "twist", 1), ("z", "side", -1), ("x", "flex", 1))),
)  # fmt: skip
# The left side; the right is its mirror image. The arm's turn is relative to the chest; `scapula` angles follow from it.
_LEFT_TURNS = (
    (1, "x", "hip_flex", -1), (1, "z", "hip_abd", 1), (1, "y", "hip_rot", 1),
    (4, "x", "knee", 1), (7, "x", "ankle", -1), (10, "x", "toes", -1),
    (13, "z", "scapula_up", 1), (13, "y", "scapula_forward", -1),
    (16, "y", "arm_plane", -1), (16, "z", "arm_raise", 1), (16, "y", "arm_plane", 1), (16, "y", "arm_twist", -1), (16, "z", "hang", -1),
    (18, "y", "elbow", -1), (18, "x", "forearm_twist", 0.5), (20, "x", "forearm_twist", 0.5),
    (20, "z", "wrist", -1), (20, "y", "wrist_side", -1),
)  # fmt: skip
_RIGHT_OF = {1: 2, 4: 5, 7: 8, 10: 11, 13: 14, 16: 17, 18: 19, 20: 21}
_SCAPULA_STARTS, _SCAPULA_SHARE, _SCAPULA_MOST = 30.0, 0.22, 30.0  # it joins in from 30 degrees of raising on
_PROTRACTION = 0.14


def pose_from_angles(angles: np.ndarray) -> np.ndarray:
    """SMPL pose (24, 3) axis-angle of anatomical angles (len(ANGLES),) degrees; the root in a world with y up, facing +z."""
    return axis_angle_from_matrix(turns_from_angles(angles[None])[0])


def turns_from_angles(angles: np.ndarray) -> np.ndarray:
    """The same for many: SMPL's local rotations (N, 24, 3, 3) of angles (N, len(ANGLES)), each as if it were alone."""
    out = np.empty((len(angles), 24, 3, 3))
    _compose(np.radians(_with_derived(np.asarray(angles, np.float64))), _JOINT, _AXIS, _SOURCE, _FACTOR.astype(np.float64), out)
    return out


def _with_derived(angles: np.ndarray) -> np.ndarray:
    """The angles with those that the shoulder blades take from the arms, left then right."""
    derived = []
    for side in ("left", "right"):
        raised, plane = angles[:, INDEX[f"{side}_arm_raise"]], np.radians(angles[:, INDEX[f"{side}_arm_plane"]])
        up = np.clip(_SCAPULA_SHARE * (raised - _SCAPULA_STARTS), 0.0, _SCAPULA_MOST) + angles[:, INDEX[f"{side}_shrug"]]
        derived += [up, _PROTRACTION * raised * np.sin(plane) * np.sin(np.radians(raised)), np.full(len(angles), 90.0)]
    return np.concatenate([angles, np.stack(derived, -1)], -1)


@njit(cache=True)
def _compose(angles, joint, axis, source, factor, out):
    for n in range(len(angles)):
        for j in range(24):
            out[n, j] = np.eye(3)
        for k in range(len(joint)):
            _turn(out[n, joint[k]], axis[k], angles[n, source[k]] * factor[k])
        for side in range(2):  # the arm's turn is against the chest
            out[n, 16 + side] = _transposed_product(out[n, 13 + side], out[n, 16 + side])


@njit(cache=True)
def _turn(m, axis, angle):
    """m after (to the right of it) a turn about one of its own axes."""
    i, j, c, s = (axis + 1) % 3, (axis + 2) % 3, np.cos(angle), np.sin(angle)
    for r in range(3):
        a, b = m[r, i], m[r, j]
        m[r, i], m[r, j] = c * a + s * b, c * b - s * a


@njit(cache=True)
def _transposed_product(a, b):
    out = np.empty((3, 3))
    for r in range(3):
        for c in range(3):
            out[r, c] = a[0, r] * b[0, c] + a[1, r] * b[1, c] + a[2, r] * b[2, c]
    return out


_NAMES = (*ANGLES, *(f"{side}_{name}" for side in ("left", "right") for name in ("scapula_up", "scapula_forward", "hang")))


def _turns():
    """Every turn as (joint, axis, index of its angle, factor); mirroring x flips turns about y and z."""
    for joint, axis, name, factor in _CENTRE_TURNS:
        yield joint, "xyz".index(axis), _NAMES.index(name), factor
    for joint, axis, name, factor in _LEFT_TURNS:
        yield joint, "xyz".index(axis), _NAMES.index(f"left_{name}"), factor
        yield _RIGHT_OF[joint], "xyz".index(axis), _NAMES.index(f"right_{name}"), factor if axis == "x" else -factor


_JOINT, _AXIS, _SOURCE, _FACTOR = (np.array(column) for column in zip(*_turns(), strict=True))
assert {name for *_, name, _ in _CENTRE_TURNS} == set(CENTRE) and {n for *_, n, _ in _LEFT_TURNS} >= set(SIDE) - {"shrug"}
