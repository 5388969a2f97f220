"""The fit finds poses whose joints it is given, prefers the right way round, and heeds what the user says."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from estimator.fitting import Weights, direction_cost, fit, foreshortening_cost
from estimator.hints import CHAINS, Hints, contact_gap, depth_gap, hints_of
from estimator.pose_prior import PosePrior, drawn_poses
from manifests.errors import UserError
from manifests.skeleton import CHILDREN, JOINTS, PARENTS
from stages.body.camera import FRONT
from stages.body.model import load_body
from stages.body.rotations import about, axis_angle_from_matrix

PX = 120.0  # a metre


@pytest.fixture(scope="module")
def body():
    return load_body()


def joints_of(body, pose, scales=None):
    """(N, 16, 3) m from the hips' midpoint, camera frame."""
    joints = body.joints_of_many(axis_angle_from_matrix(pose), np.zeros((len(pose), 10)), scales)[1]
    return joints - joints[:, [8, 11]].mean(1, keepdims=True)


def truths(count, first=2000):
    """Poses that are not among those a fit starts from, turned a little to the side."""
    poses = drawn_poses(first + count)[first:]
    poses[:, 0] = FRONT @ about("y", np.linspace(-0.8, 0.8, count)) @ poses[:, 0]
    return poses


def in_picture(joints):
    return joints[..., :2] * PX + 256


def projected(body, found, k=0):
    joints = joints_of(body, found.pose[:, k], found.bone_scales[:, k])
    return joints[..., :2] * found.camera[:, k, None, :1] + found.camera[:, k, None, 1:]


def angles(a, b):
    """Degrees (N, 15) between the bones of joints (N, 16, D)."""
    a, b = a[:, CHILDREN] - a[:, PARENTS], b[:, CHILDREN] - b[:, PARENTS]
    cosine = (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_recovers_bone_directions_from_an_exact_projection(body):
    true = joints_of(body, truths(6))
    seen = in_picture(true)
    found = fit(seen, np.ones((6, 16)), body=body)
    height = np.ptp(seen[..., 1], axis=1).mean()
    assert np.linalg.norm(projected(body, found) - seen, axis=-1).mean() < 0.02 * height
    longer = np.linalg.norm((seen[:, CHILDREN] - seen[:, PARENTS]), axis=-1) > 0.1 * height
    assert angles(projected(body, found), seen)[longer].mean() < 4
    # Which way a bone leans out of the picture is not in the joints; the prior guesses, and mostly right.
    in_space = np.array([angles(joints_of(body, found.pose[:, k]), true).mean(1) for k in range(4)])
    assert in_space[0].mean() < 30 and in_space.min(0).mean() < 25
    assert (np.diff(found.score, axis=1) <= 0).all() and np.allclose(found.score.sum(1), 1)


def test_equal_input_equal_output(body):
    seen = in_picture(joints_of(body, truths(1)))
    first, second = (fit(seen, np.ones((1, 16)), body=body, steps=10) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_bone_backwards_costs_more_than_any_other():
    right = torch.tensor([[0.0, 1.0]])
    ways = [torch.tensor([[np.sin(a), np.cos(a)]], dtype=torch.float32) for a in np.radians([0, 45, 90, 135, 180])]
    costs = [direction_cost(way, right).item() for way in ways]
    assert costs == sorted(costs) and costs[0] == pytest.approx(0, abs=1e-6) and costs[-1] == pytest.approx(2, abs=1e-6)


def test_foreshortening_is_bounded():
    bone = torch.tensor([[0.6, 0.0, 0.8]])
    assert foreshortening_cost(bone, torch.tensor([[0.6, 0.0]]), torch.tensor([1.0])).item() == pytest.approx(0, abs=1e-5)
    flat, far = (foreshortening_cost(bone, torch.tensor([[x, 0.0]]), torch.tensor([1.0])).item() for x in (1.0, 50.0))
    assert flat == pytest.approx(0.4, abs=1e-4) and far == pytest.approx(flat)
    assert foreshortening_cost(bone, torch.tensor([[0.0, 0.1]]), torch.tensor([1.0])).item() == pytest.approx(0.5, abs=1e-4)


def test_the_prior_prefers_poses_of_people():
    prior, likely = PosePrior(), drawn_poses(8)
    broken = likely.copy()
    broken[:, 4] = about("x", -1.5)  # a knee that bends forwards
    shown = [torch.from_numpy(np.concatenate([FRONT @ p[:, :1], p[:, 1:]], 1)).float() for p in (likely, broken)]
    assert (prior(shown[1]) > prior(shown[0]) + 0.5).all()
    turned = shown[0].clone()
    turned[:, 0] = torch.from_numpy(FRONT @ about("y", 1.0) @ FRONT).float() @ turned[:, 0]
    assert torch.allclose(prior(turned), prior(shown[0]), atol=1e-3)


def test_a_correction_moves_the_joint_there(body):
    seen = in_picture(joints_of(body, truths(1, 2003)))
    weights = np.full((1, 16), 0.5)
    wrist = JOINTS.index("left_wrist")
    moved = seen.copy()
    moved[0, wrist] = seen[0, wrist] + (25, -30)
    weights[0, wrist] = 10
    found = projected(body, fit(moved, weights, body=body))[0]
    assert np.linalg.norm(found[wrist] - moved[0, wrist]) < 6  # px, of a figure about 200 px high
    others = [i for i in range(16) if i not in (5, 6, 7)]
    assert np.linalg.norm(found - seen[0], axis=-1)[others].mean() < 10


@pytest.mark.parametrize("limb", ["left_arm", "right_leg"])
def test_front_flips_the_depth_of_a_limb(body, limb):
    first, _, last = CHAINS[limb]
    pose = truths(1, 2005)
    pose[0, {"left_arm": 16, "right_leg": 2}[limb]] = about("y", 0.9) if limb == "left_arm" else about("x", 0.5)
    pose[0, 0] = FRONT
    true = joints_of(body, pose)
    assert true[0, last, 2] > true[0, first, 2] + 0.05  # it reaches away from the viewer
    seen, weights = in_picture(true), np.ones((1, 16))
    steps = {}
    for given in (pose, None):
        found = fit(seen, weights, given, body=body, hints=[Hints(nearer=(limb,))])
        joints = joints_of(body, found.pose[:, 0])[0]
        steps[given is None] = joints[last, 2] - joints[first, 2]
        assert np.linalg.norm(projected(body, found)[0] - seen[0], axis=-1).mean() < 12
    assert max(steps.values()) < 0
    plain = joints_of(body, fit(seen, weights, pose, body=body).pose[:, 0])[0]
    assert plain[last, 2] > plain[first, 2]


def test_touching_parts_come_together(body):
    seen = in_picture(joints_of(body, truths(1, 2004)))
    gaps = []
    for hints in (Hints(), Hints(touching=(("left_hand", "head"),))):
        found = joints_of(body, fit(seen, np.ones((1, 16)), body=body, hints=[hints]).pose[:, 0])
        gaps.append(np.linalg.norm(found[0, JOINTS.index("left_wrist")] - found[0, JOINTS.index("head")]))
    assert gaps[1] < 0.8 * gaps[0]


def test_hints_measure_what_is_missing():
    joints = torch.zeros(1, 16, 3)
    joints[0, 7] = torch.tensor([0.5, 0, 0.2])
    assert depth_gap(joints, Hints(nearer=("left_arm",))).item() > 0.2
    joints[0, 6:8, 2] = torch.tensor([-0.1, -0.3])
    assert depth_gap(joints, Hints(nearer=("left_arm",))).item() == 0
    assert contact_gap(joints, Hints(touching=(("left_hand", "head"),))).item() == pytest.approx(np.hypot(0.5, 0.3) - 0.1, abs=1e-5)
    assert contact_gap(joints, Hints(touching=(("right_hand", "chest"),))).item() == 0


def test_a_start_is_made_better_not_left(body):
    true = truths(3)
    seen = joints_of(body, true)
    rng = np.random.default_rng(1)
    start = true @ Rotation.from_rotvec(rng.normal(0, 0.15, (72, 3))).as_matrix().reshape(3, 24, 3, 3)
    found = fit(in_picture(seen), np.ones((3, 16)), start, body=body)
    before = np.linalg.norm(in_picture(joints_of(body, start)) - in_picture(seen), axis=-1).mean()
    assert found.pose.shape[1] == 1 and np.linalg.norm(projected(body, found) - in_picture(seen), axis=-1).mean() < 0.4 * before
    error = [np.linalg.norm(joints_of(body, pose) - seen, axis=-1).mean() for pose in (start, found.pose[:, 0])]
    assert error[1] < error[0]


def test_a_start_keeps_its_depth_where_joints_are_misread(body):
    true = truths(8)
    seen = joints_of(body, true)
    misread = in_picture(seen) + np.random.default_rng(2).normal(0, 8, (8, 16, 2))  # px, of figures about 200 px high
    found = fit(misread, np.ones((8, 16)), true, body=body)
    free = fit(misread, np.ones((8, 16)), true, body=body, terms=Weights(depth=0, start=0))
    off, off_free = (np.abs(joints_of(body, f.pose[:, 0])[..., 2] - seen[..., 2]).mean() for f in (found, free))
    assert off < 0.7 * off_free
    assert np.linalg.norm(projected(body, found) - misread, axis=-1).mean() < np.linalg.norm(in_picture(seen) - misread, axis=-1).mean()


@pytest.mark.parametrize(("front", "touch", "says"), [
    ("left_hand", "", "--front left_hand: expected some of right_arm"),
    ("", "left_hand", "--touch left_hand: expected two of head"),
    ("", "left_hand:tail", "--touch left_hand:tail"),
])  # fmt: skip
def test_unknown_hints_are_refused(front, touch, says):
    with pytest.raises(UserError, match=says):
        hints_of(front, touch)
