"""Augmented labels stay true to their picture."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from estimator.augment import augment, mirror, move
from manifests.skeleton import BODY_PARTS, SMPL_MIRROR
from stages.body.camera import project
from stages.body.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from stages.projections import labels
from tests.estimator.figures import SIZE, flat


def test_mirror_twice_changes_nothing(sample):
    twice = mirror(mirror(sample))
    for name in (f.name for f in fields(sample) if f.name not in ("sample_id", "style")):
        np.testing.assert_allclose(getattr(twice, name), getattr(sample, name), atol=1e-4, err_msg=name)
    assert [SMPL_MIRROR[i] for i in SMPL_MIRROR] == list(range(24))


def test_mirror_negates_y_and_z_of_the_other_side(sample):
    vectors = axis_angle_from_matrix(sample.pose)[list(SMPL_MIRROR)] * (1, -1, -1)
    np.testing.assert_allclose(mirror(sample).pose, matrix_from_axis_angle(vectors), atol=1e-5)


def test_augmentation_follows_from_its_generator(sample):
    assert flat(augment(sample, np.random.default_rng(1))) == flat(augment(sample, np.random.default_rng(1)))
    assert flat(augment(sample, np.random.default_rng(1))) != flat(augment(sample, np.random.default_rng(2)))


@pytest.mark.parametrize("seed", range(4))
def test_augmented_labels_agree_with_each_other(sample, skeleton, seed):
    """The pose still leads to the joints, the camera to the places, and what follows from joints still follows from them."""
    seen = augment(sample, np.random.default_rng(seed))
    pose, betas, scales = (torch.from_numpy(a)[None] for a in (seen.pose, seen.betas, seen.bone_scales))
    # Mirrored figures may differ by what the body itself lacks in symmetry.
    np.testing.assert_allclose(skeleton(pose, betas)[0].numpy(), seen.joints3d, atol=2e-3)
    np.testing.assert_allclose(skeleton(pose, betas, scales)[0].numpy(), seen.joints3d_drawn, atol=3e-3)
    np.testing.assert_allclose(project(seen.joints3d_drawn + seen.hips, seen.camera_K), seen.joints2d, atol=1e-3)
    np.testing.assert_allclose(labels.depth_step(seen.joints3d_drawn), seen.depth_step, atol=1e-5)
    np.testing.assert_allclose(labels.foreshortening(seen.joints3d_drawn), seen.foreshortening, atol=1e-5)
    np.testing.assert_array_equal(labels.limb_order(seen.joints3d_drawn + seen.hips, seen.camera_K), seen.limb_order)
    assert (seen.joints2d >= seen.bbox[:2] - 1e-3).all() and (seen.joints2d <= seen.bbox[2:] + 1e-3).all()


def test_mirror_swaps_the_parts_that_touch(sample):
    seen = mirror(replace(sample, contacts=_touching("left_hand", "head")))
    np.testing.assert_array_equal(seen.contacts, _touching("right_hand", "head"))


def _touching(a: str, b: str) -> np.ndarray:
    contacts = np.zeros((len(BODY_PARTS), len(BODY_PARTS)), np.uint8)
    i, j = BODY_PARTS.index(a), BODY_PARTS.index(b)
    contacts[i, j] = contacts[j, i] = 1
    return contacts


def test_the_picture_moves_with_its_joints(sample):
    """A dot drawn at a joint is still there after every change."""
    dot, size = np.array([30.5, 20.5]), 64
    image = np.zeros((size, size, 3), np.uint8)
    image[20, 30] = 255
    plain = replace(sample, image=image, joints2d=np.repeat(dot[None], 16, 0).astype(np.float32))
    for change in (mirror, lambda s: move(s, 25, 1.2, np.array([3.0, -2.0])), lambda s: move(s, -90, 0.9, np.zeros(2))):
        seen = change(plain)
        weight = seen.image[..., 0].astype(float)
        centre = np.array([(weight.sum(axis) * (np.arange(size) + 0.5)).sum() for axis in (0, 1)]) / weight.sum()
        np.testing.assert_allclose(centre, seen.joints2d[2], atol=0.35)


def test_joints_that_leave_the_picture_are_outside(sample):
    seen = move(sample, 0, 1, np.array([SIZE, 0]))
    assert (seen.visibility == 0).sum() >= 8 and (sample.visibility == 2).all()
