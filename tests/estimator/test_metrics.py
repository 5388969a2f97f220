"""Metrics against values worked by hand and by scipy."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from estimator import metrics
from estimator.sample import from_hips
from manifests.skeleton import NECK, RIGHT_HIP
from stages.body.rotations import matrix_from_axis_angle


def _figure(seed: int = 0) -> np.ndarray:
    return from_hips(np.random.default_rng(seed).normal(0, 0.4, (3, 16, 3)))


def test_mpjpe_by_hand():
    truth = _figure()
    seen = truth.copy()
    seen[:, 0] += (0.03, 0.04, 0)  # 50 mm in one joint of sixteen
    np.testing.assert_allclose(metrics.mpjpe(seen, truth), 50 / 16)
    np.testing.assert_allclose(metrics.mpjpe(seen + 1, truth), 50 / 16)
    seen = truth.copy()
    seen[:, RIGHT_HIP] += (0.1, 0, 0)  # moves the hips' midpoint by 50 mm: so much for the others, and for this one
    np.testing.assert_allclose(metrics.mpjpe(seen, truth), 50)


def test_pa_mpjpe_forgives_a_similarity_but_no_mirror():
    truth = _figure()
    seen = 1.7 * truth @ Rotation.random(rng=3).as_matrix().T + (1, 2, 3)
    np.testing.assert_allclose(metrics.pa_mpjpe(seen, truth), 0, atol=1e-9)
    assert (metrics.pa_mpjpe(truth * (-1, 1, 1), truth) > 100).all()


def test_procrustes_agrees_with_scipy():
    seen, truth = _figure(1), _figure(2)
    for a, b, aligned in zip(seen, truth, metrics.procrustes(seen, truth), strict=True):
        x, y = a - a.mean(0), b - b.mean(0)
        turned = Rotation.align_vectors(y, x)[0].apply(x)
        scale = (turned * y).sum() / (x**2).sum()
        np.testing.assert_allclose(aligned, scale * turned + b.mean(0), atol=1e-9)


def test_pck_by_hand():
    truth = np.zeros((2, 16, 2))
    truth[:, NECK] = (0, -50)  # the torso is 50 px, so 5 px is a hit
    seen = truth + np.array((5, 0))
    seen[:, :4] += (1, 0)
    visibility = np.full((2, 16), 2)
    visibility[0, :2], visibility[1] = 1, 0
    first, second = metrics.pck(seen, truth, visibility)
    assert first == pytest.approx(12 / 14) and np.isnan(second)


def test_rotation_error_in_degrees():
    truth = matrix_from_axis_angle(np.random.default_rng(0).normal(0, 0.5, (1, 24, 3)))
    turn = matrix_from_axis_angle(np.array([0, np.radians(30), 0]))
    assert metrics.rotation_error(truth @ turn, truth)[0] == pytest.approx(30)
