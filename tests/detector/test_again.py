"""The second look: where it looks, what it makes of both, and that it helps figures that lie."""

from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.skeleton import LEFT_HIP, NECK, RIGHT_HIP
from stages.annotated.reader import read_annotated
from stages.detector.again import SURE, doubtful, matrices_about, seen_from
from stages.detector.crops import HEIGHT, WIDTH, apply, crop_matrices, inverse
from stages.detector.detect import load_detector
from stages.detector.heatmaps import CELL, decode, gaussians
from stages.detector.metrics import pck
from tests.detector.figures import figure

DRAWINGS = Path(__file__).parents[1] / "data/drawings"


def turned(joints: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (joints - 128) @ np.array([[c, s], [-s, c]]) + 128


@pytest.mark.parametrize("degrees", [0, 20, 90, 135, 180, -90, -40])
def test_the_crop_shows_all_joints_upright_and_is_not_distorted(degrees):
    joints = np.stack([turned(figure(i)[1], degrees) for i in range(6)])
    for matrix, points in zip(matrices_about(joints), joints, strict=True):
        seen = apply(matrix, points)
        assert (seen > 0).all() and (seen < (WIDTH, HEIGHT)).all()
        assert ((np.ptp(seen, axis=0) / (WIDTH, HEIGHT)).max()) > 0.6  # and little else
        across, down = seen[[RIGHT_HIP, LEFT_HIP]].mean(0) - seen[NECK]
        assert abs(np.degrees(np.arctan2(across, down))) < 30
        linear = matrix[:, :2]
        np.testing.assert_allclose(linear @ linear.T, np.eye(2) * np.linalg.det(linear), atol=1e-9)


def test_who_is_looked_at_again():
    upright = figure(0)[1]
    joints = np.stack([upright, upright, turned(upright, 90), turned(upright, 180)])
    confidence = np.tile([[SURE + 0.05], [SURE - 0.05], [1], [1]], (1, 16))
    assert doubtful(joints, confidence).tolist() == [1, 2, 3]


def test_what_one_crop_shows_lies_in_another_where_the_picture_has_it():
    joints = np.stack([figure(i)[1] for i in range(4)])
    there = crop_matrices(np.concatenate([joints.min(1), joints.max(1)], axis=1))
    here = matrices_about(np.stack([turned(points, 70) for points in joints]))
    here[:, :, 2] += np.array([WIDTH, HEIGHT]) / 2 - np.stack([apply(m, p.mean(0)) for m, p in zip(here, joints, strict=True)])
    maps = gaussians(torch.from_numpy(np.stack([apply(m, p) for m, p in zip(there, joints, strict=True)])))
    moved = seen_from(maps, there, here)
    cells = decode(moved)[0].numpy() * CELL
    expected = np.stack([apply(m, p) for m, p in zip(here, joints, strict=True)])
    inside = ((expected > 12) & (expected < (WIDTH - 12, HEIGHT - 12))).all(-1)
    assert inside.mean() > 0.5
    assert np.abs(cells - expected)[inside].max() < 2  # px; a cell has 4
    np.testing.assert_allclose(moved.sum((-1, -2)).numpy()[inside], 1, atol=0.03)


def test_the_same_crop_shows_the_same():
    maps = torch.rand(2, 16, 64, 48)
    matrices = crop_matrices(np.array([[20.0, 30, 90, 200], [10, 100, 240, 140]]))
    torch.testing.assert_close(seen_from(maps, matrices, matrices), maps)


def test_figures_that_lie_are_read_better():
    """The bundled detector, on the drawings made by hand, laid on their side."""
    drawn, detector = list(read_annotated(DRAWINGS)), load_detector(dtype=torch.bfloat16)
    pictures = [np.ascontiguousarray(np.rot90(one.image)) for one in drawn]
    true = np.stack([np.stack([one.joints[:, 1], one.image.shape[1] - one.joints[:, 0]], -1) for one in drawn])
    boxes, visibility = np.concatenate([np.nanmin(true, 1), np.nanmax(true, 1)], axis=1), np.stack([one.visibility for one in drawn])
    once, twice = (pck(detector.detect(pictures, boxes, thorough).joints, true, visibility) for thorough in (False, True))
    assert twice > once + 0.1


def test_points_go_back_to_the_picture():
    joints = np.stack([turned(figure(3)[1], 100)])
    matrix = matrices_about(joints)[0]
    np.testing.assert_allclose(apply(inverse(matrix), apply(matrix, joints[0])), joints[0], atol=1e-9)
