"""Linear blend skinning with bones of any length, in plain loops."""

from math import cos, sin, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from stages.body.fold import TREES, folds

# The joint at the far end of each joint's bone; where several bones leave a joint, the spine counts.
MAIN_CHILD = np.array([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, -1, -1, 15, 16, 17, -1, 18, 19, 20, 21, 22, 23, -1, -1])
# Head, hands and feet keep their form: they grow in every direction, from ankle and wrist outwards.
WHOLE = np.zeros(24, bool)
WHOLE[[7, 8, 10, 11, 15, 20, 21, 22, 23]] = True
_SMALL = 1e-6  # radians below which a turn is taken from its series


class Tree(NamedTuple):
    """parents (J,), -1 at the root; child (J,) at the far end of each bone, -1 at a tip; whole (J,): grows in every direction.

    folds (J,): the SMPL joint whose length factor each joint follows.
    """

    parents: np.ndarray
    child: np.ndarray
    whole: np.ndarray
    folds: np.ndarray


def tree_of(joints: int) -> Tree:
    """The tree of a body with 24, 52 or 55 joints."""
    fold = folds(joints)
    child = np.full(joints, -1)
    child[: min(joints, 22)] = MAIN_CHILD[: min(joints, 22)]
    if joints == 24:
        child = MAIN_CHILD.copy()
    return Tree(np.array(TREES[joints]), child, WHOLE[fold], fold)


@njit(cache=True)
def bone_transforms(turns, joints, scales, parents, child, whole):
    """Linear part (J, 3, 3) and joint position (J, 3) of each bone.

    A rest point p of bone j goes to linear[j] @ (p - joints[j]) + placed[j].
    turns (J, 3, 3) about each parent's frame; joints (J, 3) of the rest pose; scales (J,); the rest as in Tree.
    The root joint stays where it is. Children hang where the scaled bone of their parent ends.
    """
    count = len(parents)
    world, linear, placed = np.empty((count, 3, 3)), np.empty((count, 3, 3)), np.empty((count, 3))
    stretch, offset = np.empty((3, 3)), np.empty(3)
    for j in range(count):
        p = parents[j]
        if p < 0:
            world[j] = turns[j]
            placed[j] = joints[j]
        else:
            _matmul(world[p], turns[j], world[j])
            for k in range(3):
                offset[k] = joints[j, k] - joints[p, k]
            _apply(linear[p], offset, placed[j])
            for k in range(3):
                placed[j, k] += placed[p, k]
        _stretch(joints, j, child[j], scales[j], whole[j], stretch)
        _matmul(world[j], stretch, linear[j])
    return linear, placed


@njit(cache=True)
def posed_points(poses, rests, scales, carriers, parents, child, whole):
    """Joints (B, J, 3) and landmarks (B, L, 3), which their carriers (L,) take along, of B bodies one after the other.

    poses (B, J, 3) axis-angle; rests (B, J + L, 3) joints and landmarks of the rest pose; scales (B, J); the rest as in Tree.
    """
    count, marks = len(parents), len(carriers)
    joints, landmarks = np.empty((len(poses), count, 3)), np.empty((len(poses), marks, 3))
    turns, offset = np.empty((count, 3, 3)), np.empty(3)
    for b in range(len(poses)):
        for j in range(count):
            _turn(poses[b, j], turns[j])
        linear, placed = bone_transforms(turns, rests[b, :count], scales[b], parents, child, whole)
        joints[b] = placed
        for m in range(marks):
            c = carriers[m]
            for k in range(3):
                offset[k] = rests[b, count + m, k] - rests[b, c, k]
            _apply(linear[c], offset, landmarks[b, m])
            for k in range(3):
                landmarks[b, m, k] += placed[c, k]
    return joints, landmarks


@njit(cache=True)
def shaped(template, shapedirs, betas):
    """Rest vertices (N, 3): the mean's (N, 3), moved by shapedirs (N, 3, S) for the first few of S coefficients, betas (B,)."""
    out = np.empty_like(template)
    for i in range(len(template)):
        for k in range(3):
            move = 0.0
            for s in range(len(betas)):
                move += shapedirs[i, k, s] * betas[s]
            out[i, k] = template[i, k] + move
    return out


@njit(cache=True)
def skin(vertices, bones, weights, linear, joints, placed):
    """Posed vertices (N, 3): each is a mean over its K bones (N, K) with weights (N, K)."""
    shifts = np.empty((len(linear), 3))
    for j in range(len(linear)):
        _apply(linear[j], joints[j], shifts[j])
        for k in range(3):
            shifts[j, k] = placed[j, k] - shifts[j, k]
    out = np.empty_like(vertices)
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        a, b, c = 0.0, 0.0, 0.0
        for k in range(bones.shape[1]):
            w, j = weights[i, k], bones[i, k]
            if w == 0.0:
                break
            a += w * (linear[j, 0, 0] * x + linear[j, 0, 1] * y + linear[j, 0, 2] * z + shifts[j, 0])
            b += w * (linear[j, 1, 0] * x + linear[j, 1, 1] * y + linear[j, 1, 2] * z + shifts[j, 1])
            c += w * (linear[j, 2, 0] * x + linear[j, 2, 1] * y + linear[j, 2, 2] * z + shifts[j, 2])
        out[i, 0], out[i, 1], out[i, 2] = a, b, c
    return out


@njit(cache=True)
def _turn(v, out):
    """The matrix (3, 3) of an axis-angle vector (3,), as rotations.matrix_from_axis_angle has it."""
    x, y, z = v[0], v[1], v[2]
    angle = sqrt(x * x + y * y + z * z)
    a, b = 1.0 - angle * angle / 6.0, 0.5 - angle * angle / 24.0
    if angle >= _SMALL:
        a, b = sin(angle) / angle, (1.0 - cos(angle)) / (angle * angle)
    out[0, 0], out[0, 1], out[0, 2] = 1.0 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y
    out[1, 0], out[1, 1], out[1, 2] = b * x * y + a * z, 1.0 - b * (x * x + z * z), b * y * z - a * x
    out[2, 0], out[2, 1], out[2, 2] = b * x * z - a * y, b * y * z + a * x, 1.0 - b * (x * x + y * y)


@njit(cache=True)
def _stretch(joints, joint, child, scale, whole, out):
    """The rest-frame map of one bone: by `scale` in every direction, or along the bone alone."""
    for r in range(3):
        for c in range(3):
            out[r, c] = 1.0 if r == c else 0.0
    if whole or child < 0:
        for r in range(3):
            out[r, r] = scale
        return
    x, y, z = joints[child, 0] - joints[joint, 0], joints[child, 1] - joints[joint, 1], joints[child, 2] - joints[joint, 2]
    length2 = x * x + y * y + z * z
    for r in range(3):
        for c in range(3):
            out[r, c] += (scale - 1.0) * (x, y, z)[r] * (x, y, z)[c] / length2


@njit(cache=True)
def _matmul(a, b, out):
    for r in range(3):
        for c in range(3):
            out[r, c] = a[r, 0] * b[0, c] + a[r, 1] * b[1, c] + a[r, 2] * b[2, c]


@njit(cache=True)
def _apply(m, v, out):
    for r in range(3):
        out[r] = m[r, 0] * v[0] + m[r, 1] * v[1] + m[r, 2] * v[2]
