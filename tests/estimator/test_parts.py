"""The skeleton, rotations, heatmaps and losses: the truth costs nothing, every error is seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from estimator import losses as loss
from estimator.pose2pose import PositionNet, pool_at
from estimator.prediction import Prediction
from estimator.rotations import from_6d, mean_rotation, to_6d
from estimator.sample import from_hips
from manifests.skeleton import EDGES
from stages.body.model import load_body
from stages.body.rotations import matrix_from_axis_angle
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
    inside = torch.ones(1, 16, dtype=torch.bool)
    assert loss.heat_loss(heat, where[..., :2], inside).item() == pytest.approx(0, abs=1e-5)


def _truth(sample) -> loss.Batch:
    return loss.collate([sample], torch.device("cpu"))


def _right(truth: loss.Batch) -> Prediction:
    camera, like = torch.tensor([[0.32 * SIZE, SIZE / 2, SIZE / 2]]), truth.joints3d
    return Prediction(
        pose=truth.pose, six=to_6d(truth.pose), betas=truth.betas, camera=camera, joints3d=like, joints2d=truth.joints2d,
        depth=like[..., 2], bone_scales=torch.ones(1, 24), joints3d_drawn=like, confidence=torch.ones(1, 16), heat=_heat_at(truth.joints2d),
    )  # fmt: skip


def _heat_at(joints2d: torch.Tensor, cells: int = 12) -> torch.Tensor:
    """Log shares that fall with the distance from the joints."""
    centres = (torch.arange(-1, cells + 1) + 0.5) * SIZE / cells
    x, y = ((centres - joints2d[..., axis, None]) ** 2 / (SIZE / cells) ** 2 for axis in (0, 1))
    return (-y[..., :, None] - x[..., None, :]).flatten(2).log_softmax(-1).view(1, 16, cells + 2, cells + 2)


def test_the_truth_costs_nothing(sample):
    truth = _truth(sample)
    terms = loss.losses(_right(truth), truth)
    assert terms.pop("heat") < 2
    for name, value in terms.items():
        assert value.item() == pytest.approx(0, abs=1e-5), name


def _backwards(joints: torch.Tensor) -> torch.Tensor:
    """The left forearm turned end for end."""
    joints = joints.clone()
    joints[:, 7] = 2 * joints[:, 6] - joints[:, 7]
    return joints


@pytest.mark.parametrize(
    "term, field, spoil",
    [
        ("heat", "heat", lambda x: x.roll(2, dims=-1)),
        ("joints2d", "joints2d", lambda x: x + 3),
        ("depth", "depth", lambda x: -x),
        ("joints3d", "joints3d", _backwards),
        ("bones", "joints3d", _backwards),
        ("rotation", "pose", lambda x: x.transpose(-1, -2)),
        ("six", "six", lambda x: 3 * x),
        ("betas", "betas", lambda x: -x),
        ("camera", "camera", lambda x: x * 1.1),
    ],
)
def test_every_term_sees_its_error(sample, term, field, spoil):
    truth = _truth(sample)
    right = _right(truth)
    wrong = right._replace(**{field: spoil(getattr(right, field))})
    assert loss.losses(wrong, truth)[term] > loss.losses(right, truth)[term] + 1e-3


def test_a_bone_backwards_costs_more_than_a_bone_askew(sample):
    truth = _truth(sample).joints3d
    askew = truth.clone()
    askew[:, 7, 0] += 0.1
    assert loss.bone_loss(_backwards(truth), truth).item() == pytest.approx(2 / len(EDGES), abs=1e-5)
    assert loss.bone_loss(askew, truth) < loss.bone_loss(_backwards(truth), truth) / 2


def test_rotation_loss_does_not_jump_at_half_a_turn():
    a, b = (torch.from_numpy(matrix_from_axis_angle(np.array([angle, 0.0, 0.0]))) for angle in (np.pi - 0.01, -np.pi + 0.01))
    assert loss.rotation_loss(a, b) < 0.02


def test_joints_outside_the_picture_teach_no_place(sample):
    truth = _truth(replace(sample, visibility=np.where(np.arange(16) == 4, 0, 2).astype(np.uint8)))
    wrong = truth.joints2d.clone()
    wrong[:, 4] += 50
    assert loss.joints2d_loss(wrong, truth.joints2d, truth.visibility > 0) == 0
