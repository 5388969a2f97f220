"""Turns the rig's A-pose into SMPL's rest pose: arms level, palms down, fingers loosely bent, legs upright."""

import numpy as np

from stages.body.bundle.rig import BONES, PARENTS, Bodies

_LEFT, _RIGHT = 1.0, -1.0
_ARMS = {_LEFT: (16, 18, 20, 22), _RIGHT: (17, 19, 21, 23)}
_LEGS = ((1, 4, 7), (2, 5, 8))
_LEG_SPLAY = 0.02  # outward lean of the line from hip to ankle, as in SMPL's own rest pose
# Bend of a loose hand at each digit's three joints, degrees: stretched fingers look like a starfish in a drawing.
_THUMB, _FINGER = (0, 6, 8), (6, 12, 10)
_LATER_FINGERS_BEND_MORE = 3


def bake(bodies: Bodies) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, V, 3) and bone heads (N, 57, 3) of every body in SMPL's rest pose, the pelvis at the origin."""
    vertices, joints = np.empty_like(bodies.vertices), np.empty_like(bodies.heads)
    for i, (skin, heads) in enumerate(zip(bodies.vertices, bodies.heads, strict=True)):
        turns = _turns(heads)
        posed = _chain(turns, heads)
        matrices = np.einsum("vj,jab->vab", bodies.weights, turns)
        offsets = bodies.weights @ (posed - np.einsum("jab,jb->ja", turns, heads))
        vertices[i] = np.einsum("vab,vb->va", matrices, skin) + offsets - posed[0]
        joints[i] = posed - posed[0]
    return vertices, joints


def _turns(heads: np.ndarray) -> np.ndarray:
    """World rotation of every bone (57, 3, 3)."""
    turns = np.broadcast_to(np.eye(3), (len(BONES), 3, 3)).copy()
    for side, (shoulder, elbow, wrist, knuckle) in _ARMS.items():
        out = np.array([side, 0.0, 0.0])
        for bone, end in ((shoulder, elbow), (elbow, wrist), (wrist, knuckle)):
            turns[bone] = _between(heads[end] - heads[bone], out)
        roll = _roll_palm_down(turns[wrist], heads, side)
        # A forearm turns along its whole length; half of the roll at its root keeps the wrist from wringing.
        turns[elbow] = _about(out, roll / 2) @ turns[elbow]
        turns[wrist] = _about(out, roll) @ turns[wrist]
        turns[knuckle] = turns[wrist]
        _bend_digits(turns, heads, wrist, side)
    for hip, knee, ankle in _LEGS:
        turns[hip] = turns[knee] = _upright(heads[ankle] - heads[hip])  # the foot stays flat on the ground
    return turns


def _upright(leg: np.ndarray) -> np.ndarray:
    return _about(np.array([0.0, 0.0, 1.0]), float(np.sign(leg[0]) * np.arctan(_LEG_SPLAY) - np.arctan2(leg[0], -leg[1])))


def _digit(side: float, number: int) -> int:
    return 24 + (15 if side == _RIGHT else 0) + 3 * (number - 1)


def _roll_palm_down(wrist: np.ndarray, heads: np.ndarray, side: float) -> float:
    """Angle about the arm that lays the row of knuckles level, index to the front."""
    across = wrist @ (heads[_digit(side, 2)] - heads[_digit(side, 5)])
    return side * float(np.arctan2(across[1], across[2]))


def _bend_digits(turns: np.ndarray, heads: np.ndarray, wrist: int, side: float) -> None:
    """Fingers bend about the row of knuckles; the thumb about the upright."""
    for number in range(1, 6):
        first, total = _digit(side, number), 0.0
        axis = np.array([0.0, 0.0, -side]) if number > 1 else np.array([0.0, side, 0.0])
        more = _LATER_FINGERS_BEND_MORE * (number - 2) if number > 1 else 0
        for k, bend in enumerate(_FINGER if number > 1 else _THUMB):
            total += np.radians(bend + more)
            turns[first + k] = _about(axis, total) @ turns[wrist]


def _chain(turns: np.ndarray, heads: np.ndarray) -> np.ndarray:
    posed = heads.copy()
    for j, p in enumerate(PARENTS):
        if p >= 0:
            posed[j] = posed[p] + turns[p] @ (heads[j] - heads[p])
    return posed


def _about(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The shortest rotation from direction a to the unit vector b."""
    a = a / np.linalg.norm(a)
    axis = np.cross(a, b)
    size = np.linalg.norm(axis)
    return np.eye(3) if size < 1e-12 else _about(axis / size, float(np.arctan2(size, a @ b)))
