"""Rotations as axis-angle (..., 3) radians, matrix (..., 3, 3) and 6D (..., 6); batched numpy, float64.

Matrices act on column vectors. 6D is the first column of the matrix, then the second.
"""

import numpy as np

Array = np.ndarray
_STRAIGHT = 1e-9  # least sine of an angle whose axis can be told


def matrix_from_axis_angle(axis_angle: Array) -> Array:
    """Matrices (..., 3, 3) of axis-angle vectors (..., 3)."""
    axis_angle = np.asarray(axis_angle, np.float64)
    angle = np.sqrt((axis_angle**2).sum(-1))[..., None, None]
    k = _cross(axis_angle)
    small = angle < 1e-6
    safe = np.where(small, 1.0, angle)
    a = np.where(small, 1 - angle**2 / 6, np.sin(safe) / safe)
    b = np.where(small, 0.5 - angle**2 / 24, (1 - np.cos(safe)) / safe**2)
    return np.eye(3) + a * k + b * (k @ k)


def axis_angle_from_matrix(matrix: Array) -> Array:
    """Axis-angle vectors (..., 3) of matrices (..., 3, 3), angle in [0, pi]."""
    quaternion = _quaternion(np.asarray(matrix, np.float64))
    w, v = quaternion[..., :1], quaternion[..., 1:]
    sine = np.sqrt((v**2).sum(-1, keepdims=True))
    angle = 2 * np.arctan2(sine, w)
    small = sine < 1e-9
    return v * np.where(small, 2.0, angle / np.where(small, 1.0, sine))


def six_from_matrix(matrix: Array) -> Array:
    """6D (..., 6) of matrices (..., 3, 3)."""
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], -1)


def about(axis: str, angle: Array | float) -> Array:
    """Matrices (..., 3, 3) of turns about `x`, `y` or `z` by angles (...) in radians."""
    vector = np.zeros((*np.shape(angle), 3))
    vector[..., "xyz".index(axis)] = angle
    return matrix_from_axis_angle(vector)


def swing(start: Array, end: Array) -> Array:
    """The shortest turns (..., 3, 3) that bring directions (..., 3) of any length to others. Half a turn goes about an axis across,
    which lies in the picture plane, as near as there is one."""
    a, b = unit_vectors(start), unit_vectors(end)
    axis, cosine = np.cross(a, b), (a * b).sum(-1, keepdims=True)
    sine = np.sqrt((axis**2).sum(-1, keepdims=True))
    across = unit_vectors(np.cross(a, np.eye(3)[np.abs(a[..., :2]).argmin(-1)]))
    straight = np.where(cosine < 0, np.pi, 0.0) * across
    return matrix_from_axis_angle(np.where(sine > _STRAIGHT, np.arctan2(sine, cosine) / np.maximum(sine, _STRAIGHT) * axis, straight))


def angle_between(a: Array, b: Array) -> Array:
    """Geodesic angle (...) in radians between matrices (..., 3, 3)."""
    return np.sqrt((axis_angle_from_matrix(np.swapaxes(a, -1, -2) @ b) ** 2).sum(-1))


def mirror(axis_angle: Array) -> Array:
    """Axis-angle of the rotation seen in the mirror x -> -x."""
    return np.asarray(axis_angle, np.float64) * [1.0, -1.0, -1.0]


def unit_vectors(v: Array) -> Array:
    """Vectors (..., 3) of length 1; of no length, nan."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return v / np.sqrt((v**2).sum(-1, keepdims=True))


def _cross(v: Array) -> Array:
    k = np.zeros((*v.shape[:-1], 3, 3))
    k[..., 0, 1], k[..., 0, 2], k[..., 1, 2] = -v[..., 2], v[..., 1], -v[..., 0]
    return k - np.swapaxes(k, -1, -2)


def _quaternion(m: Array) -> Array:
    """Unit quaternions (..., 4), w first and not negative, by the largest of the four components, which is never near zero."""
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    forms = np.stack([
        np.stack([1 + xx + yy + zz, wx, wy, wz], -1),
        np.stack([wx, 1 + xx - yy - zz, xy, xz], -1),
        np.stack([wy, xy, 1 - xx + yy - zz, yz], -1),
        np.stack([wz, xz, yz, 1 - xx - yy + zz], -1),
    ], -2)  # fmt: skip
    best = np.diagonal(forms, axis1=-2, axis2=-1).argmax(-1)
    q = unit_vectors(np.take_along_axis(forms, best[..., None, None], -2)[..., 0, :])
    return np.where(_is_upside_down(q)[..., None], -q, q)


def _is_upside_down(q: Array) -> Array:
    """Whether -q is the better sign. A half turn has two; rounding must not choose between them, so its axis points up x, y or z."""
    w, v = q[..., 0], q[..., 1:]
    leading = np.take_along_axis(v, (np.abs(v) > 0.5).argmax(-1)[..., None], -1)[..., 0]
    return np.where(np.abs(w) < 1e-9, leading < 0, w < 0)
