"""The bundled estimator: small, described, and better than knowing nothing, in every style."""

from pathlib import Path

import numpy as np
import pytest
import torch

from estimator.data import Sketches
from estimator.evaluate import say_mean
from estimator.footing import CODES
from estimator.inference import predict_all
from estimator.judge import error
from estimator.load import load_estimator
from estimator.network import read_net
from estimator.rotations import from_6d, to_6d
from estimator.scores import Judge, Said
from estimator.state import BUNDLED, finished
from estimator.train_codes import judge as judge_codes
from estimator.train_codes import load_codes, posed
from manifests.errors import UserError
from manifests.sample import style_of
from manifests.skeleton import STYLES
from stages.annotated.reader import read_annotated
from stages.shards.held_out import open_held_out
from stages.sketches.bundled import GENERATOR
from stages.sketches.generator.source import folder_digest
from tests.bodies import larger_body

DRAWINGS = Path(__file__).parents[1] / "data/drawings"
JUMP = DRAWINGS / "cartoon_jump.png"
EACH, MOST_BYTES = 12, 20_000_000


@pytest.fixture(scope="module")
def judge():
    sketches = Sketches(open_held_out("val-600").url, "val", read_net(BUNDLED, None).size)
    names = [style_of(entry.place.sample_id) for entry in sketches.entries]
    chosen = [number for style in STYLES for number in [i for i, name in enumerate(names) if name == style][:EACH]]
    return Judge(None, [sketches[number] for number in chosen])


def test_it_is_finished_and_small():
    assert finished(BUNDLED) is not None
    assert sum(file.stat().st_size for file in BUNDLED.rglob("*")) <= MOST_BYTES
    assert "held out" in (BUNDLED / "README.md").read_text().lower()


def test_the_codes_can_say_poses_that_they_have_not_seen(judge, skeleton):
    """Written in codes and read again, they are nearly what they were; bodies in their mean pose are five times as far off."""
    poses = torch.from_numpy(judge.truth["pose"][:, 1:])
    again = judge_codes(load_codes(CODES), skeleton, poses)
    mean = from_6d(to_6d(poses).mean(0)).expand_as(poses)
    nobody = (posed(skeleton, mean) - posed(skeleton, poses)).norm(dim=-1).mean().item() * 1000
    assert again["joints_mm"] < 0.2 * nobody and again["codes_used"] > 100


def test_it_beats_the_mean_pose_in_every_style(judge):
    size = read_net(BUNDLED, None).size
    mean = say_mean(Sketches(open_held_out("val-600").url, "val", size), len(judge.samples))
    seen = Said(*predict_all(read_net(BUNDLED, None).net, judge.samples, EACH))
    ours, theirs = (judge.scores(said)["pa_mpjpe"].reshape(len(STYLES), EACH).mean(1) for said in (seen, mean))
    assert (ours < 0.8 * theirs).all()


def test_it_has_learned_from_drawings_of_the_bundled_generator():
    """A new generator ships with a new estimator."""
    words = finished(BUNDLED) or {}
    assert f"sha256:{folder_digest(GENERATOR)}" in words["generators"]


def test_what_is_no_number_is_not_judged(judge):
    """It would pass for a sample that a metric says nothing of."""
    mean = say_mean(Sketches(open_held_out("val-600").url, "val", judge.samples[0].image.shape[0]), len(judge.samples))
    depth = mean.seen.depth.clone()
    depth[3, 5] = torch.nan
    with pytest.raises(UserError, match=f"{judge.samples[3].sample_id}: what a method says of depth is no number"):
        judge.scores(Said(mean.seen._replace(depth=depth), 0.0))


def test_samples_of_another_body_are_not_judged(judge, tmp_path):
    with pytest.raises(UserError, match=r"made with another body than .*larger\.npz"):
        Judge(larger_body(tmp_path), judge.samples)


def test_it_reads_drawings_where_nothing_else_is_named():
    estimator = load_estimator()
    figure = estimator(JUMP)
    assert estimator.method == "lifter" and len(figure.hypotheses) > 1
    assert median_error(figure) < 0.15


def test_alone_it_needs_no_thorough_look_and_misses_nobody(monkeypatch):
    """The finder tells whether somebody is there, and the model looks for itself; the detector's thorough look is for the fit."""
    estimator, looks = load_estimator(), []
    see = estimator.detector.eyes.see
    monkeypatch.setattr(estimator.detector.eyes, "see", lambda crops, flip: looks.append(flip) or see(crops, flip))
    for drawing in sorted(DRAWINGS.glob("*.png")):
        estimator(drawing)
    assert not looks
    estimator.refine = True
    estimator(JUMP)
    assert looks == [True]


def test_a_body_that_it_does_not_know_is_fitted(tmp_path):
    body = larger_body(tmp_path)
    estimator = load_estimator(body=body)
    assert estimator.method == "fit" and median_error(estimator(JUMP)) < 0.15
    with pytest.raises(UserError, match="trained with another body"):
        load_estimator(method="network", body=body)


def median_error(figure):
    """Of the joints of JUMP, in torso lengths."""
    truth = next(drawing for drawing in read_annotated(DRAWINGS / "annotations.json") if drawing.path.name == JUMP.name)
    return np.nanmedian(error(truth, figure.joints2d))
