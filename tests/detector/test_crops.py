"""Geometry: pixels to crops and heatmaps, and back."""

import cv2
import numpy as np
import pytest
import torch

from manifests.skeleton import MIRROR
from stages.detector import augment
from stages.detector.augment import crop_of, mirror_of, picture_of, plain_crop
from stages.detector.crops import HEIGHT, PADDING, WIDTH, apply, crop_matrices, cut, inverse, paper, picture_matrix
from stages.detector.drawings import Drawings
from stages.detector.finder_net import boxes_of, edge_targets
from stages.detector.heatmaps import CELL, decode, gaussians, second, spread
from stages.detector.look import Noise
from stages.detector.metrics import correct, overlap, pck
from tests.detector.figures import drawings, figure


def test_points_come_back_from_the_crop():
    rng = np.random.default_rng(0)
    boxes = rng.uniform(-50, 300, (20, 4))
    points = rng.uniform(-50, 300, (20, 16, 2))
    for matrix, some in zip(crop_matrices(boxes), points, strict=True):
        np.testing.assert_allclose(apply(inverse(matrix), apply(matrix, some)), some, atol=1e-9)


@pytest.mark.parametrize("box", [(20, 30, 90, 200), (10, 100, 240, 140), (5, 5, 5, 5)])
def test_the_box_is_centred_padded_and_not_distorted(box):
    matrix = crop_matrices(np.array([box]))[0]
    low, high = apply(matrix, np.array([box[:2], box[2:]], float))
    np.testing.assert_allclose((low + high) / 2, (WIDTH / 2, HEIGHT / 2))
    assert matrix[0, 0] == matrix[1, 1]
    assert not matrix[[0, 1], [1, 0]].any()
    if box[2] > box[0]:
        np.testing.assert_allclose(((high - low) / (WIDTH, HEIGHT)).max(), 1 / PADDING)


@pytest.mark.parametrize("side", [256, 1024])
def test_a_dot_is_cut_out_where_its_point_goes(side):
    image = np.full((side, side, 3), 255, np.uint8)
    dot = np.round([side * 0.4, side * 0.55])
    cv2.circle(image, tuple(dot.astype(int).tolist()), side // 50, (0, 0, 0), -1)
    matrix = crop_matrices(np.array([(0.1, 0.1, 0.7, 0.9)]) * side)[0]
    crop = cut(image, matrix, (HEIGHT, WIDTH))
    np.testing.assert_allclose(_centre(crop), apply(matrix, dot + 0.5), atol=0.6)


def test_an_exact_crop_copies_pixels():
    image = np.random.default_rng(0).integers(0, 256, (256, 192, 3)).astype(np.uint8)
    box = np.array([[96 - 76.8, 128 - 102.4, 96 + 76.8, 128 + 102.4]])
    np.testing.assert_array_equal(cut(image, crop_matrices(box, 1.25)[0], (HEIGHT, WIDTH)), image)


def test_a_wide_picture_is_laid_in_the_middle_on_its_own_paper():
    image = np.full((60, 200, 3), (200, 180, 90), np.uint8)
    image[20:40, 90:110] = 0
    matrix = picture_matrix(60, 200)
    small = cut(image, matrix, (128, 128))
    np.testing.assert_array_equal(small[0, 0], paper(image))
    np.testing.assert_allclose(_centre(small), (64, 64), atol=0.6)


@pytest.mark.parametrize("seed", range(5))
def test_cells_are_read_to_a_fraction(seed):
    joints = torch.from_numpy(np.random.default_rng(seed).uniform((12, 12), (180, 244), (4, 16, 2)))
    cells, mass = decode(gaussians(joints))
    assert (cells * CELL - joints).abs().max() < 0.35  # px; a cell has 4
    assert (mass > 0.9).all()
    flat = spread(torch.zeros(1, 16, 64, 48))
    assert (decode(flat)[1] < 0.05).all()


def test_the_other_place_of_a_joint_in_doubt_is_told():
    here, there = torch.tensor([[[40.0, 60.0]]]), torch.tensor([[[150.0, 200.0]]])
    maps = 0.7 * gaussians(here) + 0.3 * gaussians(there)
    (first, sure), (other, doubt) = decode(maps), second(maps)
    assert (first * CELL - here).abs().max() < 0.5 > (other * CELL - there).abs().max()
    assert sure.item() == pytest.approx(0.7, abs=0.05) and doubt.item() == pytest.approx(0.3, abs=0.05)
    assert second(gaussians(here))[1].item() < 0.1  # there is no other


def test_a_peak_on_the_border_stays_in_the_map():
    cells, _ = decode(gaussians(torch.tensor([[[0.0, 0.0], [192, 256]]])))
    assert (cells >= 0).all()
    assert (cells <= torch.tensor([48, 64])).all()


def test_edges_of_boxes_are_read_to_a_fraction():
    boxes = torch.from_numpy(np.random.default_rng(0).uniform(-20, 148, (50, 4)))
    found = boxes_of(edge_targets(boxes).clamp(min=1e-12).log())
    assert (found - boxes).abs().max() < 0.6


@pytest.mark.parametrize("joint", [4, 13])
def test_a_crop_moves_joints_with_the_picture(joint, monkeypatch):
    monkeypatch.setattr(augment, "wear", lambda image, *_: image)
    monkeypatch.setattr(augment, "_PROPS", 0.0)
    monkeypatch.setattr(augment, "paper", lambda image: np.full(3, 255))
    some, noise = _dotted(joint), Noise(0)
    whole = 0  # dots that no border cuts
    for seed in range(30):
        crop = crop_of(some, 0, 0, np.random.default_rng(seed), noise)
        dot = _centre(_red(crop.image))
        mirrored = int(np.argmin(np.linalg.norm(crop.joints - dot, axis=1)))
        assert mirrored in (joint, MIRROR[joint])
        if ((dot > _DOT) & (dot < np.array([WIDTH, HEIGHT]) - _DOT)).all():
            assert np.linalg.norm(crop.joints[mirrored] - dot) < 1
            whole += 1
    assert whole > 20


def test_a_picture_moves_the_box_with_the_figure(monkeypatch):
    monkeypatch.setattr(augment, "recolour", lambda image, *_: image)
    monkeypatch.setattr(augment, "_EMPTY", 0.0)
    monkeypatch.setattr(augment, "_PROPS", 0.0)
    some, noise = drawings(1), Noise(0)
    for seed in range(30):
        view = picture_of(some, 0, 0, np.random.default_rng(seed), noise)
        rows, columns = np.nonzero(view.figure)
        inside = np.clip(view.box, 0, 128)
        spread_of = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * 4
        assert np.abs(spread_of - inside).max() < 14


def test_what_leaves_the_crop_is_outside():
    some = drawings(1)
    some.boxes[0] = (*some.joints[0, 4] - 9, *some.joints[0, 4] + 9)
    crop = crop_of(some, 0, 0, np.random.default_rng(0), Noise(0))
    outside = ((crop.joints < 0) | (crop.joints >= (WIDTH, HEIGHT))).any(1)
    assert outside.any()
    assert not crop.visibility[outside].any()


def test_the_same_seed_makes_the_same_crop():
    some, noise = drawings(2), Noise(0)
    one, two = (crop_of(some, 0, 1, np.random.default_rng(3), noise) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.joints, two.joints)


def test_a_mirror_turns_pixel_by_pixel():
    image = plain_crop(drawings(1), 0).image
    np.testing.assert_array_equal(cut(image, mirror_of(WIDTH)[:2], (HEIGHT, WIDTH)), image[:, ::-1])


def test_figures_of_merit():
    _, joints = figure(0)
    true = np.stack([joints, joints])
    torso = np.linalg.norm(joints[1] - (joints[8] + joints[11]) / 2)
    found = true + np.array([0.09, 0]) * torso
    found[1] += 0.02 * torso
    assert correct(found, true).tolist() == [[True] * 16, [False] * 16]
    assert pck(found, true, np.full((2, 16), 2)) == 0.5
    np.testing.assert_allclose(overlap(np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 3, 2.0]])), 1 / 3)


_DOT = 10  # px of a crop that the red dot may reach to each side


def _dotted(joint: int) -> Drawings:
    """One picture with nothing on it but a red dot at a joint."""
    some = drawings(1)
    image = np.full((256, 256, 3), 255, np.uint8)
    cv2.circle(image, tuple(int(v * 16) - 8 for v in some.joints[0, joint]), 4 * 16, (0, 0, 255), -1, cv2.LINE_AA, 4)
    return Drawings([cv2.imencode(".png", image)[1].tobytes()], some.joints, some.visibility, some.boxes, some.styles)


def _red(image: np.ndarray) -> np.ndarray:
    """Dark where the picture is red and not grey."""
    pixels = image.astype(int)
    red = (pixels[..., 0] > 180) & (pixels[..., 1] < 100) & (pixels[..., 2] < 100)
    return np.where(red[..., None], 0, 255).astype(np.uint8)


def _centre(image: np.ndarray) -> np.ndarray:
    """The middle (x, y) px of what is dark."""
    rows, columns = np.nonzero(image[..., 0] < 128)
    return np.array([columns.mean(), rows.mean()]) + 0.5
