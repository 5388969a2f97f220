"""Metrics against values worked by hand and by scipy."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from estimator import metrics
from estimator.intervals import Resamples
from estimator.sample import from_hips
from estimator.scores import laid_over
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
    right, of = metrics.pck(seen, truth, visibility)
    assert right.tolist() == [12, 0] and of.tolist() == [14, 0]


def test_a_body_is_laid_over_the_picture_by_its_camera():
    joints = np.zeros((1, 16, 3), np.float32)
    joints[0, 4] = (0.5, -0.25, 7)
    flat = laid_over({"camera": np.array([[200.0, 64, 32]]), "joints3d_drawn": joints})
    assert flat.shape == (1, 16, 2) and flat[0, 4].tolist() == [164, -18] and flat[0, 0].tolist() == [64, 32]


def test_rotation_error_in_degrees():
    truth = matrix_from_axis_angle(np.random.default_rng(0).normal(0, 0.5, (1, 24, 3)))
    turn = matrix_from_axis_angle(np.array([0, np.radians(30), 0]))
    assert metrics.rotation_error(truth @ turn, truth)[0] == pytest.approx(30)


# ---- bones, depth, limbs, contact ----


def _plane(*points: tuple[int, tuple[float, float, float]]) -> np.ndarray:
    """Sixteen joints down a line in the picture plane, a few of them elsewhere."""
    joints = np.stack([np.array([0.0, 0.1 * i, 0.0]) for i in range(16)])[None]
    for joint, place in points:
        joints[0, joint] = place
    return joints


def test_bone_directions_and_foreshortening_by_hand():
    """The left toe is the end of one edge of fifteen; it points down in truth, and 60 degrees into depth, or backwards."""
    truth, leans = _plane((13, (0, 0, 0)), (14, (0, 1, 0))), (0, 0.5, np.sqrt(3) / 2)
    seen, back = _plane((13, (0, 0, 0)), (14, leans)), _plane((13, (0, 0, 0)), (14, (0, -1, 0)))
    np.testing.assert_allclose(metrics.direction_error(seen, truth), 60 / 15)
    np.testing.assert_allclose(metrics.direction_error(back, truth), 180 / 15)
    np.testing.assert_allclose(metrics.foreshortening_error(seen, truth), 60 / 15)
    np.testing.assert_allclose(metrics.foreshortening_error(back, truth), 0, atol=1e-9)
    np.testing.assert_allclose(metrics.foreshortening_error(seen * (1, 1, -1), seen), 0, atol=1e-9)


def test_depth_signs_by_hand():
    """Toes hang on ankles: the left leans 10 cm away in truth, the right 4 cm, too little to ask."""
    truth = _plane((14, (0, 0, 0.1)), (15, (0, 0, 0.04)))
    for depth, right in ((0.3, 1), (-0.1, 0)):
        assert metrics.depth_sign(_plane((14, (0, 0, depth)), (15, (0, 0, -1))), truth) == (np.array([right]), np.array([1]))


def test_limb_order_and_contacts_by_hand():
    order, gaps = np.zeros((1, 30)), np.full((1, 30), -0.1)
    order[0, :3] = (-1, 1, -1)  # the first limb of each pair is nearer, whatever the truth
    assert metrics.order_sign(gaps, order) == (np.array([2]), np.array([3]))
    truth, seen = np.zeros((1, 15, 15), np.uint8), np.zeros((1, 15, 15), np.uint8)
    for a, b in ((0, 5), (2, 9), (3, 4)):
        truth[0, a, b] = truth[0, b, a] = 1
    for a, b in ((0, 5), (1, 7)):
        seen[0, a, b] = seen[0, b, a] = 1
    assert metrics.contact_precision(seen, truth) == (np.array([1]), np.array([2]))
    assert metrics.contact_recall(seen, truth) == (np.array([1]), np.array([3]))


# ---- intervals ----


def test_intervals_agree_with_theory():
    """Of a mean of 400 normal numbers: 1.96 standard errors; of a difference that is always the same: nothing."""
    values = np.random.default_rng(0).normal(10, 2, 400)
    resamples = Resamples(400)
    told = resamples.mean(values)
    half = 1.96 * values.std() / 20
    assert told["value"] == pytest.approx(values.mean(), abs=1e-3)
    assert told["high"] - told["value"] == pytest.approx(half, rel=0.1) and told["value"] - told["low"] == pytest.approx(half, rel=0.1)
    assert resamples.difference(values, values - 1) == {"value": 1, "low": 1, "high": 1}


def test_means_leave_out_what_says_nothing():
    resamples = Resamples(3)
    assert resamples.mean(np.array([1.0, np.nan, 3.0]))["value"] == 2
    assert resamples.mean(metrics.Shares(np.array([1, 0, 2]), np.array([1, 0, 3])))["value"] == 0.75
    assert resamples.mean(np.full(3, np.nan))["value"] is None
    assert resamples.difference(np.full(3, np.nan), np.zeros(3))["low"] is None
