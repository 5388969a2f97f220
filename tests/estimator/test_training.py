"""Training can be cut anywhere and ends in the same bytes; evaluation reports every method."""

import hashlib
import json

import cv2
import numpy as np
import pytest

from estimator.baseline import mean_pose
from estimator.data import Sketches
from estimator.evaluate import evaluate
from estimator.train import schedule, train
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.tensorfile import read_tensors
from stages.training import differences
from tests.estimator.figures import TINY, write_index


class _Stop(BaseException):
    pass


def _stop_after(step: int):
    def log(text: str) -> None:
        if text.startswith(f"step {step}/"):
            raise _Stop

    return log


def test_resumed_training_ends_in_the_same_bytes(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("estimator.train.LOG_EVERY", 1)
    whole = train(dataset, tmp_path / "whole", TINY, 1, None, log=lambda _: None)
    for step in (3, 5):
        with pytest.raises(_Stop):
            train(dataset, tmp_path / "cut", TINY, 1, None, log=_stop_after(step))
    lines: list[str] = []
    cut = train(dataset, tmp_path / "cut", TINY, 1, None, log=lines.append)
    assert lines[0] == "going on after step 4 of 6"
    assert hashlib.sha256(cut.read_bytes()).digest() == hashlib.sha256(whole.read_bytes()).digest()
    assert not list(cut.parent.glob("*checkpoint*")) and list((cut.parent / "tensorboard").iterdir())
    train(dataset, tmp_path / "cut", TINY, 1, None, log=lines.append)
    assert lines[-1].endswith("nothing to do")


def test_a_changed_recipe_starts_over_and_says_so(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("estimator.train.LOG_EVERY", 1)
    with pytest.raises(_Stop):
        train(dataset, tmp_path, TINY, 1, None, log=_stop_after(3))
    lines: list[str] = []
    train(dataset, tmp_path, TINY.model_copy(update={"lr": 0.01, "steps": 3}), 1, None, log=lines.append)
    assert lines[0] == "starting over: since the checkpoint, config.lr, config.steps changed"
    assert differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4}) == ["b.c", "d"]


def test_torn_weights_are_named(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(UserError, match=r"model\.safetensors: damaged"):
        read_tensors(tmp_path / "model.safetensors")


def test_the_rate_rises_then_falls():
    rates = [schedule(step, 600) for step in (0, 49, 300, 599)]
    assert rates[0] < rates[1] > rates[2] > rates[3] > 0


def test_learns_eight_sketches_by_heart(dataset, tmp_path, monkeypatch):
    """Evaluated on what it has seen, the network beats the mean pose by far."""
    monkeypatch.setattr("estimator.train.augment", lambda sample, rng: sample)
    shown = tmp_path / "dataset"
    shown.mkdir()
    for split in ("train", "val"):
        (shown / f"{split}-000000.tar").write_bytes((dataset / "train-000000.tar").read_bytes())
    write_index(shown, {f"{split}-000000.tar": split for split in ("train", "val")})
    config = Estimator(size=64, width=16, steps=160, batch=8, lr=3e-3)
    train(shown, tmp_path / "out", config, 0, None, log=lambda _: None)
    result = evaluate(shown, tmp_path / "out", config, None, log=lambda _: None)
    ours, mean = result["pose2pose"]["all"], result["mean_pose"]["all"]
    assert ours["mpjpe"] < 0.25 * mean["mpjpe"] and ours["pa_mpjpe"] < 0.3 * mean["pa_mpjpe"] and ours["pck"] > 0.9


def test_evaluation_reports_both_methods(dataset, tmp_path):
    train(dataset, tmp_path, TINY, 1, None, log=lambda _: None)
    lines: list[str] = []
    result = evaluate(dataset, tmp_path, TINY, None, log=lines.append)
    assert json.loads((tmp_path / "evaluation.json").read_text()) == result
    assert (tmp_path / "evaluation.md").read_text() == lines[0] and "| pose2pose | all | 4 |" in lines[0]
    assert cv2.imread(str(tmp_path / "evaluation.png")) is not None
    assert list(result["mean_pose"]) == ["ink", "stick", "all"]
    val, mean = Sketches(dataset, "val", 64), mean_pose(Sketches(dataset, "train", 64))
    by_hand = np.mean([np.linalg.norm(val[i].joints3d - mean.joints3d, axis=-1).mean() for i in range(4)]) * 1000
    assert result["mean_pose"]["all"]["mpjpe"] == pytest.approx(by_hand, rel=1e-3)
    with pytest.raises(UserError, match="trained with another width"):
        evaluate(dataset, tmp_path, TINY.model_copy(update={"width": 16}), None)
