"""The skeleton, rotations, heatmaps."""

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from estimator.camera import laid, project
from estimator.data import Sketches
from estimator.models import load_model
from estimator.pooling import pool_at
from estimator.pose2pose import PositionNet, RotationNet
from estimator.rotations import axis_angle, from_6d, mean_rotation, to_6d
from estimator.sample import from_hips
from estimator.skeleton import Skeleton
from estimator.state import BUNDLED as OURS
from estimator.state import MODEL
from manifests.errors import UserError
from stages.body.model import load_body
from stages.body.rotations import matrix_from_axis_angle
from stages.detector.weights import BUNDLED, POSE
from tests.detector.figures import figure
from tests.estimator.figures import SIZE


def test_skeleton_agrees_with_the_body(skeleton):
    rng = np.random.default_rng(0)
    for _ in range(3):
        pose, betas, scales = rng.normal(0, 0.6, (24, 3)), rng.normal(0, 1, 10), rng.uniform(0.5, 2, 24)
        matrices, shape, factors = (torch.from_numpy(a).float()[None] for a in (matrix_from_axis_angle(pose), betas, scales))
        body = load_body()
        np.testing.assert_allclose(skeleton(matrices, shape)[0].numpy(), from_hips(body.joints(pose, betas)[1]), atol=1e-5)
        drawn = from_hips(body.joints(pose, betas, scales)[1])
        np.testing.assert_allclose(skeleton(matrices, shape, factors)[0].numpy(), drawn, atol=1e-5)


def test_six_numbers_make_the_rotation_they_came_from():
    matrices = torch.from_numpy(Rotation.random(20, rng=0).as_matrix())
    torch.testing.assert_close(from_6d(to_6d(matrices)), matrices)
    torch.testing.assert_close(from_6d(3 * to_6d(matrices)), matrices)


def test_mean_rotation_agrees_with_scipy():
    turns = Rotation.from_rotvec(np.random.default_rng(0).normal(0, 0.7, (9, 3)))
    np.testing.assert_allclose(mean_rotation(turns.as_matrix()[:, None])[0], turns.mean().as_matrix(), atol=1e-6)


def test_axis_angles_agree_with_scipy_up_to_half_a_turn():
    turns = Rotation.concatenate([Rotation.random(50, rng=1), Rotation.from_rotvec([[0, 0, 0], [1e-5, 0, 0], [0, 3.1415, 0]])])
    matrices = torch.from_numpy(turns.as_matrix()).requires_grad_()
    found = axis_angle(matrices)
    np.testing.assert_allclose(found.detach().numpy(), turns.as_rotvec(), atol=1e-5)
    found.sum().backward()
    assert torch.isfinite(matrices.grad).all()


# ---- the network's parts ----


def test_heatmaps_and_pooling_share_one_scale():
    """A lone hot cell is found at its centre, and pooling there reads that very cell."""
    net = PositionNet(1)
    with torch.no_grad():
        net.heat.weight.zero_()
        net.heat.weight[:, 0, 1, 1] = 100
        net.heat.bias.zero_()
    features = torch.zeros(1, 1, 4, 4)
    features[0, 0, 1, 2] = 1
    where, shares = net(features)
    heat = shares.logsumexp(2)
    torch.testing.assert_close(where[0, 0, :2], torch.tensor([2.5 / 4, 1.5 / 4]))
    torch.testing.assert_close(pool_at(features, where[..., :2])[0, 0], torch.ones(1))
    assert heat.shape == (1, 16, 6, 6) and heat[0, 0].argmax() == 2 * 6 + 3


def test_a_camera_is_found_again_and_heeds_the_weights():
    rng = np.random.default_rng(3)
    joints, camera = (torch.from_numpy(rng.uniform(low, high, size)).float() for low, high, size in ((-1, 1, (4, 16, 3)), (10, 90, (4, 3))))
    seen, weight = project(joints, camera), torch.ones(4, 16)
    torch.testing.assert_close(laid(joints, seen, weight), camera, rtol=1e-4, atol=1e-3)
    seen[:, 5] += 1000
    weight[:, 5] = 0
    torch.testing.assert_close(laid(joints, seen, weight), camera, rtol=0, atol=0.1)


def test_a_figure_in_use_lies_on_the_joints_that_were_read(skeleton):
    """No camera near by lays it better; while it learns, the camera is the network's own."""
    net, config = load_model(OURS / MODEL, skeleton)
    drawings = [cv2.resize(figure(number)[0], (config.size, config.size)) for number in (1, 2)]
    pictures = torch.from_numpy(np.stack(drawings)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        learning, used = net.train()(pictures), net.eval()(pictures)

    def off(camera: torch.Tensor) -> torch.Tensor:
        apart = (project(used.joints3d_drawn, camera) - used.joints2d).square().sum(-1)
        return (used.confidence.square() * apart).sum(1)

    torch.testing.assert_close(learning.pose, used.pose)
    assert (off(learning.camera) > off(used.camera)).all()
    for change in torch.eye(3):
        assert (off(used.camera + change) > off(used.camera)).all() and (off(used.camera - change) > off(used.camera)).all()


def test_a_file_that_is_no_model_is_a_sentence():
    with pytest.raises(UserError, match=r"pose\.safetensors: not a trained estimator"):
        load_model(BUNDLED / POSE, Skeleton(load_body()))


@pytest.mark.parametrize("pooling", [True, False])
def test_without_pooling_it_does_not_matter_where_a_feature_lies(pooling):
    net, where = RotationNet(8, pooling), torch.rand(2, 16, 3)
    features = torch.rand(2, 8, 6, 6)
    turned = features.flip(2, 3)
    assert torch.allclose(net(features, where), net(turned, where), atol=1e-6) is not pooling


def test_styles_that_are_left_out_are_not_learned_from(dataset):
    known = Sketches(dataset, "train", SIZE)
    ink = Sketches(dataset, "train", SIZE, styles=("ink",))
    assert {s.style for s in ink} == {"ink"} < {s.style for s in known} and len(ink) < len(known)
