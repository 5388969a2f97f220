"""Finds, on any SMPL-format mesh, the vertices whose mean follows a point of the skeleton into every pose."""

import numpy as np

from manifests.skeleton import SMPL_PARENTS
from stages.body.landmarks import surface_marks

_NEAREST = 1200
_STRANGER = 0.3  # metres of error that a vertex counts for where it follows a bone that does not hold the point
_RIDGE = 1e-3


def point_rows(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Weights (39, V), each row with sum 1: 24 SMPL joints, then the marks of landmarks.MARKS.

    A row works on posed vertices. Linear skinning takes a vertex x of bones b to the mean of w_b T_b x; both bones that meet in a
    joint leave it in place, so a ring of vertices finds it in every pose if its w_b-weighted mean is the joint for both of them.
    """
    template, weights = arrays["v_template"].astype(np.float64), arrays["weights"].astype(np.float64)
    shapes = arrays["shapedirs"][:, :, :10].astype(np.float64)
    regressor = arrays["J_regressor"].astype(np.float64)
    rows = [
        _ring(point, move, template, shapes, weights, tuple(b for b in (j, SMPL_PARENTS[j]) if b >= 0))
        for j, (point, move) in enumerate(zip(regressor @ template, np.einsum("jv,vak->jak", regressor, shapes), strict=True))
    ]
    return np.stack([*rows, *(_mean_of(mark, len(template)) for mark in surface_marks(template, weights))])


def _ring(point: np.ndarray, move: np.ndarray, template: np.ndarray, shapes: np.ndarray, weights: np.ndarray, bones: tuple) -> np.ndarray:
    """One row (V,) for a point (3,) held by `bones` that moves with the shape by `move` (3, 10)."""
    near = np.argsort(np.linalg.norm(template - point, axis=1), kind="stable")[:_NEAREST]
    arms, drift = template[near] - point, (shapes[near] - move).reshape(len(near), -1)
    wants = [np.ones(len(near))]
    for bone in np.flatnonzero(weights[near].any(0)):
        follow = weights[near, bone, None]
        wants += [*(follow * arms).T, *(follow * drift).T]
        if bone not in bones:
            wants.append(_STRANGER * follow[:, 0])
    equations = np.array(wants)
    right = np.zeros(len(equations))
    right[0] = 1
    found = equations.T @ np.linalg.solve(equations @ equations.T + _RIDGE * np.eye(len(right)), right)
    row = np.zeros(len(template))
    row[near] = found / found.sum()
    return row


def _mean_of(vertices: np.ndarray, count: int) -> np.ndarray:
    row = np.zeros(count)
    row[vertices] = 1 / len(vertices)
    return row
