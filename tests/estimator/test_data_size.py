"""The same model on more and more samples: each size is judged, what is trained stays, and the plot shows it."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from estimator.data import Sketches
from estimator.data_size import BY_HAND, HELD_OUT
from estimator.picture import curve
from manifests.recipe_files import dump_recipe, load_recipe

ROOT = Path(__file__).parents[2]
TINY = ["size=64", "width=8", "steps=2", "batch=4"]


def test_the_first_samples_are_those_of_the_whole(dataset):
    whole, some = Sketches(dataset, "train", 64), Sketches(dataset, "train", 64, most=3)
    assert len(some) == 3 and [e.place.sample_id for e in some.entries] == [e.place.sample_id for e in whole.entries[:3]]


@pytest.mark.timeout(600)  # processes that load torch
def test_sizes_are_trained_and_judged_once(dataset, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "dataset").symlink_to(dataset)
    (run / "recipe.yaml").write_text(dump_recipe(load_recipe("smoke", [f"estimator.{change}" for change in TINY])))
    command = [sys.executable, "-m", "estimator.data_size", "--held-out", str(dataset), str(run), str(tmp_path / "out"), "6", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert list(told) == ["4", "6"] and told["4"][HELD_OUT]["low"] <= told["4"][HELD_OUT]["value"] <= told["4"][HELD_OUT]["high"]
    assert 0 <= told["6"][BY_HAND]["value"] <= 1 and json.loads((tmp_path / "out" / "data_size.json").read_text()) == told
    assert cv2.imread(str(tmp_path / "out" / "data_size.png")) is not None
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.stdout.count("nothing to do") == 2 and json.loads(again.stdout.splitlines()[-1]) == told
    many = subprocess.run([*command, "9"], cwd=ROOT, capture_output=True, text=True)
    assert many.returncode == 2 and "has 8 training samples, fewer than 9" in many.stderr


def test_a_curve_that_rises_is_drawn_rising():
    values = [{"low": v - 0.1, "value": v, "high": v + 0.1} for v in (1.0, 2.0, 4.0)]
    line = (curve([1000, 3000, 10000], values, "") == (30, 90, 220)).all(-1)
    heights = [np.flatnonzero(line[:, column]).mean() for column in np.flatnonzero(line.any(0))[[0, -1]]]
    assert heights[0] > heights[1] + 100
