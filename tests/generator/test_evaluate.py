"""Evaluation of a generator: figures worked by hand, and the whole command on random weights."""

import json
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pyarrow as pa
import pytest

from manifests import schema
from manifests.schema import to_numpy
from manifests.skeleton import STYLES
from stages.library.chunks import chunks_of
from stages.sketches.generator import evaluate
from stages.sketches.generator.judge import diversity_ratio, nearest, ratio, read
from stages.sketches.generator.library import Library
from stages.sketches.generator.likeness import Learnt, diversity, gist


@pytest.fixture(scope="module")
def table():
    """Two poses of ink and one of oil; all joints but the first are visible."""
    joints = np.random.default_rng(1).uniform(20, 100, (3, 16, 2))
    joints[:, 1], joints[:, 8], joints[:, 11] = (60, 20), (50, 60), (70, 60)  # a torso of 40 px
    seen = np.full((3, 16), 2, np.uint8)
    seen[:, 0] = 1
    columns = {"style": ["ink", "ink", "oil"], "joints2d": joints, "visibility": seen, "bbox": np.tile([20.0, 20, 100, 100], (3, 1))}
    fields = {field.name: field for stage in (schema.PLANNED, schema.PROJECTIONS) for field in stage}
    return schema.to_table(pa.schema([fields[name] for name in columns]), columns)


class Shifted:
    """A detector that knows the truth and moves the neck; with the true box by less. It takes every drawing for ink."""

    def __init__(self, table, given, found):
        self.joints, self.given, self.found = to_numpy(table, "joints2d"), given, found

    def detect(self, images, boxes=None):
        joints = self.joints.copy()
        joints[:, 1, 0] += self.found if boxes is None else self.given
        return SimpleNamespace(joints=joints, styles=np.tile(np.eye(6)[STYLES.index("ink")], (len(images), 1)))


def test_pck_by_style(table):
    blank = [np.zeros((8, 8, 3), np.uint8)] * 3
    result = read(Shifted(table, 3.9, 4.1), blank, table)
    assert result.pck == {"oil": 1, "ink": 1} and result.named == {"oil": 0, "ink": 1}
    assert result.pck_found == pytest.approx({"oil": 14 / 15, "ink": 14 / 15})
    assert ratio({"oil": 0.9}, {"oil": 0.6}) == {"oil": pytest.approx(1.5)}


def _flat(*levels):
    return [np.full((64, 64, 3), level, np.uint8) for level in levels]


def test_diversity_is_the_mean_distance_of_pairs(table):
    assert diversity([_flat(0, 0), _flat(51, 0), _flat(102, 0)]) == pytest.approx((0.2 + 0.4 + 0.2) / 3 / 2)
    same, other = [_flat(0, 0, 0), _flat(51, 51, 0)], [_flat(0, 0, 0), _flat(102, 102, 51)]
    assert diversity_ratio(same, other, table) == {"oil": pytest.approx(0), "ink": pytest.approx(0.5)}


def test_a_copy_has_no_distance_to_what_was_learnt(trained, table):
    learnt = Learnt(Library(chunks_of(trained / "library", "train"), 32))
    copies = [Library(chunks_of(trained / "library", "train"), 32).picture(i) for i in range(3)]
    assert learnt.nearest(copies).max() < 2e-3 < learnt.nearest(_flat(0, 90, 200)).min()
    found = nearest(learnt, copies, _flat(0, 90, 200), table)
    assert max(found["nearest_ratio"].values()) < 0.02 and gist(copies[0]).shape == (3072,)


def test_the_command_says_it_all_in_its_last_line(folder, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "_SPREAD", 1)
    monkeypatch.setattr(evaluate, "_TURNS", 2)
    sheets = tmp_path / "sheets"
    words = ["--model", folder, "--each", "1", "--teacher", folder, "--library", trained / "library", "--sheets", sheets, "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, words), "--dtype", "float32"])
    evaluate.main()
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(lines[-1])
    names = {
        "pck_ratio",
        "pck_ratio_skeleton_only",
        "pck_ratio_autoencoder",
        "style_accuracy",
        "diversity_ratio",
        "nearest_least",
        "few_steps_gap",
        "void",
    }
    assert names <= figures.keys() and all(set(figures[name]) == set(STYLES) for name in names - {"void"})
    assert set(figures["few_steps_gap"].values()) == {0}
    for style in STYLES:
        (line,) = [line for line in lines if line.startswith(f"{style} ")]
        assert ("void" in line) == (style in figures["void"])
    assert cv2.imread(str(sheets / "oil.png")).shape == (7 * 128, 128, 3)
