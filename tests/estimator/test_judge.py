"""Scores of a detector on annotated pictures, worked by hand."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from estimator import judge
from manifests.errors import UserError
from manifests.skeleton import JOINTS
from pipeline import cli
from stages.annotated.reader import read_annotated
from stages.detector.metrics import overlap
from tests.annotated.files import spread, write_coco

ROOT = Path(__file__).parents[2]


class Shifted:
    """A detector that knows the truth: it moves some joints by (dx, dy), and more so with the box it finds itself."""

    def __init__(self, samples, shifts, shifts_given, box=(0, 0, 0, 0)):
        self.truth, self.boxes = np.stack([s.joints for s in samples]), np.stack([s.box for s in samples]) + box
        self.shifts, self.shifts_given, self.calls = shifts, shifts_given, 0

    def detect(self, images, boxes=None):
        self.calls += 1
        joints = self.truth.copy()
        for name, shift in (self.shifts if boxes is None else self.shifts_given).items():
            joints[:, JOINTS.index(name)] += shift
        return SimpleNamespace(boxes=self.boxes if boxes is None else boxes, joints=joints)


def torso_of_100(**other):
    """Neck at (150, 40), hips about (150, 140): a torso of 100 px."""
    return spread(JOINTS, neck=(150, 40, 2), right_hip=(140, 140, 2), left_hip=(160, 140, 2), **other)


def test_pck_by_hand(tmp_path):
    path = write_coco(tmp_path, torso_of_100(head=(5, 5, 1), left_toe=(0, 0, 0)), image={"style": "stick"})  # 14 joints count
    samples = list(read_annotated(path))
    shifts = {"neck": (6, 8), "left_knee": (0, 10.1), "right_knee": (0, 20), "left_wrist": (30, 0), "head": (90, 90), "left_toe": (99, 9)}
    detector, said = Shifted(samples, shifts, {"left_wrist": (np.nan, 0)}, box=(0, 0, 100, 0)), []
    result = judge.evaluate(samples, detector, tmp_path / "out", said.append)
    expected = {"pck": round(11 / 14, 4), "pck_given_box": round(13 / 14, 4), "box_iou": 0.5, "figures": 1}
    assert result == expected | {"pictures": 1, "per_style": {"stick": expected}}
    errors = judge.judge(samples, detector).errors
    assert judge.pck(errors, 0.2) == round(13 / 14, 4) and judge.median(errors) == 0
    assert json.loads(json.dumps(result)) == result
    assert "| left_knee | 0.000 | 1.000 | 0.101 | 1.000 | 1.000 | 0.000 | - |" in said[0]
    assert "| head | - | - | - | - | - | - | - |" in said[0]
    assert "| stick | 0.786 | 0.929 | 0.000 | 0.929 | 0.929 | 0.000 | 0.500 |" in said[0]
    assert cv2.imread(str(tmp_path / "out/annotated.png")).shape == (256, 1024, 3)


@pytest.mark.parametrize("hidden", ["neck", "left_hip"])
def test_without_neck_or_hip_a_fifth_of_the_box_is_the_torso(tmp_path, hidden):
    points = torso_of_100() | {hidden: (0, 0, 0)}
    (sample,) = read_annotated(write_coco(tmp_path, points, annotation={"bbox": [0, 0, 10, 150]}))
    assert judge.torso(sample) == 30
    found = np.add(sample.joints, (0, 3.3))
    np.testing.assert_allclose(judge.error(sample, found)[sample.known], 0.11)


def test_box_overlap_by_hand():
    a = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]], float)
    b = np.array([[0, 0, 10, 10], [5, 5, 15, 15], [20, 0, 30, 10]], float)
    np.testing.assert_allclose(overlap(a, b), (1, 25 / 175, 0))


def test_the_command_ends_with_one_line_of_json_and_the_readme_has_its_figure(tmp_path, capsys):
    cli.evaluate(data=str(ROOT / "tests/data/drawings"), out=str(tmp_path / "sheet"))
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    row = r"twelve drawings made by hand \| (\S+) \| `skep evaluate --data tests/data/drawings`"
    (figure,) = re.findall(row, (ROOT / "README.md").read_text())
    assert told["figures"] == 12 and abs(told["pck"] - float(figure)) < 0.01
    assert (tmp_path / "sheet/annotated.png").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({}, "expected either a run folder or --data"),
        ({"folder": "runs/demo", "data": "x"}, "expected either a run folder or --data"),
        ({"folder": "runs/demo", "out": "x"}, "--images and --out go with --data"),
        ({"data": "nowhere"}, "nowhere: no such file or folder"),
    ],
)
def test_the_command_says_what_it_expects(words, sentence):
    with pytest.raises(UserError, match=sentence):
        cli.evaluate(**{"folder": "", "data": "", "images": "", "out": ""} | words)
