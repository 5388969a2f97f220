"""Frames of a movement: no flips between readings, no jitter, and rotations stay rotations."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from estimator.figure import Figure, Hypothesis
from estimator.rotations import nearest_rotations
from estimator.smoothing import consistent, smoothed

REST = np.tile(np.eye(3), (24, 1, 1))


def frame(pose, others=(), camera=(100.0, 50, 60)):
    ways = (way(pose, 0.5), *others)
    return Figure(pose, np.zeros(10), np.ones(24), np.array(camera), np.zeros((16, 2)), np.ones(16), ways)


def way(pose, score, size=1.0):
    return Hypothesis(pose, score, np.full(24, size), np.array([100.0, 50, 60]) * size)


def turned(angle, axis=0):
    vector = np.zeros(3)
    vector[axis] = angle
    return REST @ Rotation.from_rotvec(vector).as_matrix()


def test_a_reading_that_flips_for_one_frame_is_passed_over():
    flipped = turned(2.5, 1)
    frames = [frame(turned(0.1 * i), (way(flipped, 0.4),)) for i in range(5)]
    frames[2] = frame(flipped, (way(turned(0.2), 0.3, size=1.5),))
    chosen = consistent(frames)[2]
    assert np.array_equal(chosen.pose, turned(0.2))
    assert (chosen.bone_scales == 1.5).all() and chosen.camera.tolist() == [150, 75, 90]  # the whole reading, not its pose alone
    assert all(np.array_equal(consistent(frames)[i].pose, turned(0.1 * i)) for i in (0, 1, 3, 4))


def test_what_a_network_says_is_a_reading_though_no_hypothesis_has_it():
    """A network's figure, what it says of all limbs at once, beside hypotheses that differ from frame to frame."""
    frames = [replace(frame(turned(0.1 * i)), hypotheses=(way(turned(2.5 - i, 1), 0.6), way(turned(2.5, 1), 0.4))) for i in range(4)]
    assert all(np.array_equal(f.pose, turned(0.1 * i)) for i, f in enumerate(consistent(frames)))


def test_proportions_are_smoothed_with_the_cameras_that_they_fit():
    frames = [replace(frame(REST, camera=(100.0 / size, 50, 60)), bone_scales=np.full(24, size)) for size in (0.8, 1.25, 0.8, 1.25)]
    for f in smoothed(frames, 1.0):
        assert np.allclose(f.bone_scales * f.camera[0], 100) and 0.8 < f.bone_scales[0] < 1.25


def test_jitter_goes_and_the_movement_stays():
    rng = np.random.default_rng(0)
    noisy = [frame(turned(0.05 * i) @ Rotation.from_rotvec(rng.normal(0, 0.1, (24, 3))).as_matrix()) for i in range(30)]
    errors = []
    for frames in (noisy, smoothed(noisy, 2.0)):
        apart = [np.swapaxes(turned(0.05 * i), 1, 2) @ f.pose for i, f in enumerate(frames)]
        errors.append(np.mean([Rotation.from_matrix(a).magnitude() for a in apart[5:-5]]))
    assert errors[1] < 0.5 * errors[0]
    pose = smoothed(noisy, 2.0)[7].pose
    assert np.allclose(pose @ np.swapaxes(pose, 1, 2), np.eye(3), atol=1e-9) and np.allclose(np.linalg.det(pose), 1)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0, 100.0])
def test_who_walks_evenly_walks_on_to_the_last_frame(sigma):
    frames = [frame(turned(0.0), camera=(100.0, 50 + 60 * i, 60)) for i in range(11)]
    walked = np.array([f.camera[1] for f in smoothed(frames, sigma)])
    assert np.allclose(walked, 50 + 60 * np.arange(11))


def test_nothing_is_smoothed_without_a_width():
    frames = [frame(turned(0.1 * i)) for i in range(3)]
    assert all(a.pose is b.pose for a, b in zip(smoothed(frames, 0), frames, strict=True))


def test_nearest_rotation_never_mirrors():
    found = nearest_rotations(np.diag([1.0, 1.0, -0.2])[None])[0]
    assert np.linalg.det(found) > 0.99 and np.allclose(found @ found.T, np.eye(3))
