"""Readings of one drawing: they look the same, bend the right way, and the better founded come first."""

import numpy as np
import pytest
import torch

from estimator.flips import CHOICES, LIMBS, Bones, reflected
from estimator.hypotheses import hypotheses
from estimator.prediction import Prediction
from manifests.skeleton import JOINTS
from stages.body.rotations import angle_between, matrix_from_axis_angle

WRIST = JOINTS.index("left_wrist")


def _seen(skeleton, vectors: np.ndarray) -> Prediction:
    """What a network would say that sees this pose, in odd proportions."""
    pose, betas = torch.from_numpy(matrix_from_axis_angle(vectors)).float()[None], torch.zeros(1, 10)
    scales = torch.full((1, 24), 0.8)
    drawn = skeleton(pose, betas, scales)
    return Prediction(
        pose=pose, six=pose[..., :2].flatten(2), betas=betas, camera=torch.ones(1, 3), joints3d=skeleton(pose, betas),
        joints2d=drawn[..., :2], depth=drawn[..., 2], bone_scales=scales, joints3d_drawn=drawn, confidence=torch.ones(1, 16),
    )  # fmt: skip


def _reaching(forwards: float = 60) -> np.ndarray:
    """Upright before the camera, the left arm raised forwards so many degrees from its side, the elbow bent."""
    vectors = np.zeros((24, 3))
    vectors[0, 0], vectors[16, 1], vectors[17, 2] = np.pi, -np.radians(forwards), np.radians(70)
    vectors[18, 1], vectors[1, 0], vectors[4, 0] = -np.radians(40), -np.radians(50), np.radians(60)
    return vectors


@pytest.mark.parametrize("name", LIMBS)
@pytest.mark.parametrize("choice", CHOICES[1:])
def test_a_reflected_limb_looks_the_same(skeleton, name, choice):
    """Every joint stays at its place in the picture; the reflected bones, and they alone, lean the other way."""
    vectors = np.random.default_rng(4).normal(0, 0.5, (24, 3))
    vectors[[4, 5]], vectors[[18, 19]] = (0.6, 0, 0), (0, 0.7, 0)
    vectors[18] *= -1
    seen = _seen(skeleton, vectors)
    pose, limb = seen.pose[0].double().numpy(), LIMBS[name]
    parts = (*skeleton.posed(seen.pose, seen.betas, seen.bone_scales), skeleton.rest_points(seen.betas))
    bones = Bones(*(part[0].double().numpy() for part in parts))
    turned = reflected(limb, choice, pose, bones)
    after = skeleton.posed(torch.from_numpy(turned).float()[None], seen.betas, seen.bone_scales).places[0].numpy()
    drawn = skeleton(torch.from_numpy(turned).float()[None], seen.betas, seen.bone_scales)
    np.testing.assert_allclose(drawn[..., :2], seen.joints3d_drawn[..., :2], atol=1e-5)
    chain = [limb.upper, limb.lower, limb.end]
    signs = np.where(choice, -1, 1)
    np.testing.assert_allclose(np.diff(after[chain, 2]), signs * np.diff(bones.places[chain, 2]), atol=2e-5)
    if all(choice):  # the elbow and the knee bend as they did
        np.testing.assert_allclose(turned[limb.lower], pose[limb.lower], atol=1e-5)


def test_all_readings_look_the_same_and_are_sorted(skeleton):
    seen = _seen(skeleton, _reaching())
    found = hypotheses(seen, 0, skeleton, 8)
    assert len(found) == 8 and found[0].score == 0
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    assert 0 < sum(h.probability for h in found) <= 1 + 1e-9
    assert len({h.flipped for h in found}) == 8
    for h in found:
        np.testing.assert_allclose(h.joints3d_drawn[:, :2], seen.joints3d_drawn[0, :, :2], atol=1e-4)


def test_what_the_network_says_comes_first(skeleton):
    """An arm that may as well reach back as forwards is read as the network has it; what it says is then the first reading whole."""
    seen = _seen(skeleton, _reaching())
    best, *others = hypotheses(seen, 0, skeleton, 64)
    assert best.flipped == () and best.joints3d_drawn[WRIST, 2] < -0.1
    np.testing.assert_allclose(best.pose, seen.pose[0], atol=1e-6)
    assert any(("left_arm", True, True) in h.flipped and h.joints3d_drawn[WRIST, 2] > 0.1 for h in others)


def test_knees_bend_backwards_in_no_good_reading(skeleton):
    """The limits weigh more than what the network says: a shin that leans where no knee goes is put right."""
    vectors = np.zeros((24, 3))
    vectors[0, 0], vectors[4, 0] = np.pi, -np.radians(50)  # the left knee bent the wrong way
    vectors[16, 2], vectors[17, 2] = -np.radians(70), np.radians(70)
    best = hypotheses(_seen(skeleton, vectors), 0, skeleton)[0]
    assert {name: (inner, outer) for name, inner, outer in best.flipped}["left_leg"] == (False, True)
    knee = best.pose[4].double().numpy()
    assert angle_between(knee, matrix_from_axis_angle(np.array([np.radians(50), 0, 0]))) < 0.2


def test_flat_limbs_have_one_reading(skeleton):
    """An arm in the picture plane is in no reading reflected."""
    flat = np.zeros((24, 3))
    flat[0, 0] = np.pi
    places = skeleton.posed(*_seen(skeleton, flat)[0:3:2]).places[0, [16, 18, 20], 2]
    leans = int((places.diff().abs() > 0.02).sum())
    flips = {
        (inner, outer) for h in hypotheses(_seen(skeleton, flat), 0, skeleton, 300) for n, inner, outer in h.flipped if n == "left_arm"
    }
    assert len(flips) == 2**leans - 1
