"""Linear blend skinning with bones of any length, in plain loops."""

import numpy as np
from numba import njit

from manifests.skeleton import SMPL_PARENTS

PARENTS = np.array(SMPL_PARENTS)
# The joint at the far end of each joint's bone; where several bones leave a joint, the spine counts.
MAIN_CHILD = np.array([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, -1, -1, 15, 16, 17, -1, 18, 19, 20, 21, 22, 23, -1, -1])
# Head, hands and feet keep their form: they grow in every direction, from ankle and wrist outwards.
WHOLE = np.zeros(24, bool)
WHOLE[[7, 8, 10, 11, 15, 20, 21, 22, 23]] = True


@njit(cache=True)
def bone_transforms(turns, joints, scales):
    """Linear part (24, 3, 3) and joint position (24, 3) of each bone.

    A rest point p of bone j goes to linear[j] @ (p - joints[j]) + placed[j].
    turns (24, 3, 3) about each parent's frame; joints (24, 3) of the rest pose; scales (24,).
    The root joint stays where it is. Children hang where the scaled bone of their parent ends.
    """
    world, linear, placed = np.empty((24, 3, 3)), np.empty((24, 3, 3)), np.empty((24, 3))
    for j in range(24):
        p = PARENTS[j]
        if p < 0:
            world[j] = turns[j]
            placed[j] = joints[j]
        else:
            world[j] = _matmul(world[p], turns[j])
            placed[j] = placed[p] + _apply(linear[p], joints[j] - joints[p])
        linear[j] = _matmul(world[j], _stretch(joints, j, MAIN_CHILD[j], scales[j], WHOLE[j]))
    return linear, placed


@njit(cache=True)
def skin(vertices, bones, weights, linear, joints, placed):
    """Posed vertices (N, 3): each is a mean over its K bones (N, K) with weights (N, K)."""
    shifts = np.empty((24, 3))
    for j in range(24):
        shifts[j] = placed[j] - _apply(linear[j], joints[j])
    out = np.zeros_like(vertices)
    for i in range(len(vertices)):
        x, y, z = vertices[i]
        for k in range(bones.shape[1]):
            w = weights[i, k]
            if w == 0.0:
                break
            m, s = linear[bones[i, k]], shifts[bones[i, k]]
            for r in range(3):
                out[i, r] += w * (m[r, 0] * x + m[r, 1] * y + m[r, 2] * z + s[r])
    return out


@njit(cache=True)
def _stretch(joints, joint, child, scale, whole):
    """The rest-frame map of one bone: by `scale` in every direction, or along the bone alone."""
    out = np.eye(3)
    if whole or child < 0:
        return out * scale
    bone = joints[child] - joints[joint]
    length2 = bone[0] ** 2 + bone[1] ** 2 + bone[2] ** 2
    for r in range(3):
        for c in range(3):
            out[r, c] += (scale - 1.0) * bone[r] * bone[c] / length2
    return out


@njit(cache=True)
def _matmul(a, b):
    out = np.zeros((3, 3))
    for r in range(3):
        for c in range(3):
            out[r, c] = a[r, 0] * b[0, c] + a[r, 1] * b[1, c] + a[r, 2] * b[2, c]
    return out


@njit(cache=True)
def _apply(m, v):
    out = np.empty(3)
    for r in range(3):
        out[r] = m[r, 0] * v[0] + m[r, 1] * v[1] + m[r, 2] * v[2]
    return out
