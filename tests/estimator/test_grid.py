"""The fit as a row of the table, and the pictures beside it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from estimator import load_estimator, picture
from estimator.figure import Figure, figure_of_sample, figures_of, in_picture, posed
from estimator.fitted import fit_all, look_at
from estimator.hints import Hints
from estimator.load import _Asked, weights_of
from estimator.overlay import views
from estimator.prediction import Prediction
from estimator.refining import Joints, refined
from estimator.trust import trusted
from stages.body.model import load_body
from stages.scan import read_scan, scan_of

JUMP = Path(__file__).parent.parent / "data/drawings/cartoon_jump.png"


@pytest.fixture(scope="module")
def body():
    return load_body()


def test_the_fit_is_judged_by_what_predict_says(body):
    image = 255 - read_scan(JUMP).clean  # light on dark
    looked = look_at([SimpleNamespace(image=image)])
    seen, _ = fit_all(looked, body)
    told, figure = load_estimator(method="fit")(image), figures_of(seen, [np.eye(2, 3)])[0]
    _same(figure, told)
    drawn = posed(body, figure).joints16
    np.testing.assert_allclose(seen.joints3d_drawn[0], drawn, atol=1e-4)
    np.testing.assert_allclose(seen.depth[0], drawn[:, 2], atol=1e-4)


def test_a_refined_network_is_judged_by_what_predict_says(body):
    image, network = read_scan(JUMP).clean, load_estimator()
    looked = look_at([SimpleNamespace(image=image)])
    start = network._seen(network.network, [_Asked(scan_of(image), Hints(), {})], looked.found[0].boxes, looked.found[0])[0]
    words = {name: torch.from_numpy(getattr(start, name)[None]).float() for name in ("pose", "betas", "bone_scales")}
    seen, _ = fit_all(looked, body, Prediction(**words, **dict.fromkeys(set(Prediction._fields) - set(words))))
    found = looked.found[0]
    joints = Joints(found.joints, weights_of(found), trusted(found.found))
    alone = refined([replace(start, hypotheses=())], joints, [Hints()], body)[0]
    _same(figures_of(seen, [np.eye(2, 3)])[0], alone)
    told = load_estimator(refine=True)(image)
    _same(alone, told, 5e-3)  # beside its hypotheses other sums are rounded, of which Adam makes much
    assert len(told.hypotheses) == len(start.hypotheses) > 1


def _same(figure: Figure, told: Figure, near: float = 0.0) -> None:
    for name in ("pose", "bone_scales", "camera", "joints2d", "confidence", "betas"):
        np.testing.assert_allclose(getattr(figure, name), getattr(told, name), rtol=near, atol=max(near, 1e-3), err_msg=name)


def test_the_true_body_lies_over_its_joints(sample, body):
    true = figure_of_sample(sample)
    shown = in_picture(true, posed(body, true).joints16)
    side = len(sample.image)
    assert np.linalg.norm(shown - sample.joints2d, axis=1).max() < 0.03 * side  # no perspective
    blank = np.full((2 * side, 2 * side, 3), 255, np.uint8)
    over = views(blank, true, (side, side), 2 * np.eye(2, 3), body)[:, 2 * side : 4 * side]
    rows, columns = (2 * sample.joints2d).astype(int).clip(0, 2 * side - 1).T[::-1]
    covered = (over[rows, columns] < 255).any(-1)
    assert covered.sum() >= 12 and (over[0, 0] == 255).all()


def test_a_row_shows_the_sketch_and_both_figures(sample, body):
    true = figure_of_sample(sample)
    made = picture.row(sample.image, sample.sample_id, true, true, body)
    assert made.shape == (picture.CELL + picture.HEAD, 7 * picture.CELL, 3)
    _, *cells = np.split(made[picture.HEAD :], 7, axis=1)
    assert np.array_equal(np.stack(cells[:3]), np.stack(cells[3:]))
