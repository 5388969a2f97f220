"""What a pose shows, in words, read off its joints by rules."""

import numpy as np

from manifests.skeleton import SMPL_JOINTS

_PELVIS, _NECK, _HEAD = (SMPL_JOINTS.index(n) for n in ("pelvis", "neck", "head"))
_ARMS = {s: tuple(SMPL_JOINTS.index(f"{s}_{n}") for n in ("shoulder", "elbow", "wrist", "hip")) for s in ("left", "right")}
_LEGS = {s: tuple(SMPL_JOINTS.index(f"{s}_{n}") for n in ("hip", "knee", "ankle")) for s in ("left", "right")}


def caption(joints: np.ndarray, action: str = "", gestures: tuple[str, ...] = ()) -> str:
    """Words for SMPL joints (24, 3) in the world (y up, the viewer at +z), such as
    `a figure running, right arm raised, in profile to the left`. Known words for action and gestures go before the rules."""
    parts = [action or stance(joints), *(gestures or arms(joints)), facing(joints)]
    return "a figure " + ", ".join(part for part in parts if part)


def stance(joints: np.ndarray) -> str:
    """Standing, sitting, lying and the like, from trunk and legs; y is up."""
    trunk = _direction(joints, _PELVIS, _NECK)
    thighs = [-_direction(joints, hip, knee)[1] for hip, knee, _ in _LEGS.values()]
    shins = [-_direction(joints, knee, ankle)[1] for _, knee, ankle in _LEGS.values()]
    if trunk[1] < -0.5:
        return "upside down"
    if trunk[1] < 0.45:
        if min(thighs) > 0.6:
            return "on all fours" if max(shins) < 0.5 else "bending over"
        return "lying"
    return _upright(joints, thighs, shins)


def _upright(joints: np.ndarray, thighs: list[float], shins: list[float]) -> str:
    """thighs, shins: how far each points down, -1 to 1."""
    if max(thighs) < 0.6:
        if max(_bends(joints)) > 110:
            return "crouching"
        return "sitting" if max(shins) > 0.6 else "sitting on the floor"
    kneeling = [thigh > 0.4 and shin < 0.4 for thigh, shin in zip(thighs, shins, strict=True)]
    if all(kneeling):
        return "kneeling"
    if any(kneeling) and min(thighs) < 0.6:
        return "kneeling on one knee"
    if min(thighs) < 0.5:
        return "raising one leg"
    return "striding" if _stride(joints) > 0.45 else "standing"


def arms(joints: np.ndarray) -> tuple[str, ...]:
    """What each arm does, if it does anything; both arms in one where they do the same."""
    left, right = (_arm(joints, side) for side in ("left", "right"))
    if left and left == right:
        return (f"both {left.replace('arm', 'arms').replace('hand ', 'hands ')}",)
    return tuple(f"{side} {does}" for side, does in (("left", left), ("right", right)) if does)


def _arm(joints: np.ndarray, side: str) -> str:
    shoulder, elbow, wrist, hip = _ARMS[side]
    reach = joints[wrist] - joints[shoulder]
    up = _direction(joints, _PELVIS, _NECK)
    stretched = np.linalg.norm(reach) > 0.9 * (_length(joints, shoulder, elbow) + _length(joints, elbow, wrist))
    raised = reach @ up / np.linalg.norm(reach)
    if raised > 0.5:
        return "arm raised"
    if stretched and raised > -0.35:
        across = abs(reach @ _across(joints)) / np.linalg.norm(reach)
        return "arm stretched sideways" if across > 0.75 else "arm stretched ahead"
    sideways = abs((joints[elbow] - joints[shoulder]) @ _across(joints)) / _length(joints, shoulder, elbow)
    if _length(joints, wrist, hip) < 0.24 and sideways > 0.5 and _bend(joints, shoulder, elbow, wrist) > 50:
        return "hand on the hip"
    return ""


def facing(joints: np.ndarray) -> str:
    """Where the chest looks; empty where it looks up or down."""
    ahead = np.cross(_across(joints), _direction(joints, _PELVIS, _NECK))
    if np.hypot(ahead[0], ahead[2]) < 0.5:
        return ""
    turn = np.degrees(np.arctan2(ahead[0], ahead[2]))
    side = "right" if turn > 0 else "left"
    if abs(turn) < 25:
        return "facing the viewer"
    if abs(turn) < 65:
        return f"turned to the {side}"
    if abs(turn) < 115:
        return f"in profile to the {side}"
    return "seen from behind"


def _stride(joints: np.ndarray) -> float:
    """Distance of the ankles over the length of a leg, front to back."""
    (left_hip, left_knee, left), (_, _, right) = _LEGS.values()
    ahead = np.cross(_across(joints), [0.0, 1.0, 0.0])
    leg = _length(joints, left_hip, left_knee) + _length(joints, left_knee, left)
    return abs((joints[left] - joints[right]) @ ahead) / leg


def _across(joints: np.ndarray) -> np.ndarray:
    """Unit vector from the right to the left shoulder."""
    return _direction(joints, _ARMS["right"][0], _ARMS["left"][0])


def _bends(joints: np.ndarray) -> list[float]:
    return [_bend(joints, *leg) for leg in _LEGS.values()]


def _bend(joints: np.ndarray, a: int, b: int, c: int) -> float:
    """Degrees by which the line a-b-c is bent at b."""
    return float(np.degrees(np.arccos(np.clip(_direction(joints, a, b) @ _direction(joints, b, c), -1, 1))))


def _direction(joints: np.ndarray, a: int, b: int) -> np.ndarray:
    return (joints[b] - joints[a]) / _length(joints, a, b)


def _length(joints: np.ndarray, a: int, b: int) -> float:
    return float(np.linalg.norm(joints[b] - joints[a]))
