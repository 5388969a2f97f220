"""Fits SMPL's linear model to many bodies: mean, shape directions, joint regressor."""

import numpy as np
from scipy.optimize import nnls

SHAPES = 10
_NEAREST, _RING_END, _RING_STEP = 200, 4000, 8  # nearest vertices alone place the spine 60 mm off
_RIDGE = 1e-4


def fit_shapes(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (V, 3), shape directions (V, 3, 10) for unit betas, and the bodies' betas (N, 10)."""
    mean = vertices.mean(0)
    u, s, directions = np.linalg.svd((vertices - mean).reshape(len(vertices), -1), full_matrices=False)
    sign = np.where(directions[:SHAPES, np.abs(directions[:SHAPES]).argmax(1)].diagonal() < 0, -1.0, 1.0)
    scale = s[:SHAPES] / np.sqrt(len(vertices) - 1) * sign
    shapes = (directions[:SHAPES] * scale[:, None]).reshape(SHAPES, -1, 3).transpose(1, 2, 0)
    return mean, shapes, u[:, :SHAPES] * np.sqrt(len(vertices) - 1) * sign


def fit_regressor(mean: np.ndarray, shapes: np.ndarray, betas: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Weights (24, V), each row >= 0 with sum 1, that take vertices to joints; linear in betas as the model itself."""
    centre = joints.mean(0)
    moves = np.einsum("nk,njx->kjx", betas, joints - centre) / (len(betas) - 1)
    regressor = np.zeros((joints.shape[1], len(mean)))
    for j in range(joints.shape[1]):
        near = _candidates(mean, centre[j])
        regressor[j, near] = _row(mean[near] - centre[j], shapes[near] - moves[:, j].T)
    return regressor


def _candidates(mean: np.ndarray, joint: np.ndarray) -> np.ndarray:
    order = np.argsort(np.linalg.norm(mean - joint, axis=1), kind="stable")
    return np.unique(np.concatenate([order[:_NEAREST], order[_NEAREST:_RING_END:_RING_STEP]]))


def _row(points: np.ndarray, directions: np.ndarray) -> np.ndarray:
    count = len(points)
    rows = [points.T, directions.reshape(count, -1).T, np.ones((1, count)), _RIDGE * np.eye(count)]
    target = np.zeros(sum(len(r) for r in rows))
    target[3 + directions[0].size] = 1
    weights, _ = nnls(np.concatenate(rows), target)
    return weights / weights.sum()
