"""Training can be cut anywhere and ends in the same bytes; evaluation reports every method."""

import hashlib
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from estimator.baseline import mean_pose
from estimator.calibration import CALIBRATION, NEUTRAL, platt, reliability
from estimator.data import Sketches
from estimator.evaluate import evaluate
from estimator.job import WARMUP
from estimator.pose_codes import CodesSize
from estimator.profile import changes
from estimator.skeleton import Skeleton
from estimator.start import starting_weights
from estimator.state import finished
from estimator.steps import Steps, held_out
from estimator.train import train
from estimator.train_codes import train_codes
from manifests.errors import UserError
from manifests.evaluation import SAMPLES, read_judged
from manifests.recipe import Estimator
from manifests.recipe_files import load_recipe
from manifests.schema import TRUTH, to_numpy
from stages.body.model import load_body
from stages.loop import falling
from stages.ranks import Ranks
from stages.tensorfile import read_tensors
from stages.training import alone_in, differences
from tests.estimator.figures import TINY, write_index

ROOT = Path(__file__).parents[2]


class _Stop(BaseException):
    pass


def _stop_after(step: int, model: str = "pose2pose"):
    def log(text: str) -> None:
        if text.startswith(f"{model} {step}/"):
            raise _Stop

    return log


@pytest.mark.parametrize("model", ["pose2pose", "lifter"])
def test_resumed_training_ends_in_the_same_bytes(dataset, tmp_path, monkeypatch, model):
    monkeypatch.setattr("estimator.job.REPORT_EVERY", 1)
    config = TINY.model_copy(update={"model": model})
    whole = train(dataset, tmp_path / "whole", config, 1, None, log=lambda _: None)
    for step in (3, 5):
        with pytest.raises(_Stop):
            train(dataset, tmp_path / "cut", config, 1, None, log=_stop_after(step, model))
    lines: list[str] = []
    cut = train(dataset, tmp_path / "cut", config, 1, None, log=lines.append)
    assert lines[0].startswith(f"{model}: step 4 of 6, ")
    assert hashlib.sha256(cut.read_bytes()).digest() == hashlib.sha256(whole.read_bytes()).digest()
    assert {path.name for path in cut.parent.iterdir()} == {"model.safetensors", "model.json", "tensorboard", "lock"}
    assert list((cut.parent / "tensorboard").iterdir())
    train(dataset, tmp_path / "cut", config, 1, None, log=lines.append)
    assert lines[-1].endswith("nothing to do")


def test_processes_that_read_change_no_weight(dataset, tmp_path):
    ways = (TINY.model_copy(update={"workers": workers, "steps": 3}) for workers in (0, 2))
    alone, beside = (train(dataset, tmp_path / str(way.workers), way, 1, None, log=lambda _: None).read_bytes() for way in ways)
    assert alone == beside


def test_a_changed_recipe_starts_over_and_says_so(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("estimator.job.REPORT_EVERY", 1)
    with pytest.raises(_Stop):
        train(dataset, tmp_path, TINY, 1, None, log=_stop_after(3))
    lines: list[str] = []
    train(dataset, tmp_path, TINY.model_copy(update={"lr": 0.01, "steps": 3}), 1, None, log=lines.append)
    assert lines[0] == f"starting over: since the checkpoint, config.lr, config.steps changed; it is kept in {tmp_path}/earlier-1"
    assert read_tensors(tmp_path / "earlier-1/checkpoint.safetensors")[1]["step"] == 2
    assert differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4}) == ["b.c", "d"]


def test_a_finished_model_is_kept_beside_the_next(dataset, tmp_path):
    one_step, lines = TINY.model_copy(update={"steps": 1}), list[str]()
    first = train(dataset, tmp_path, one_step, 1, None, log=lambda _: None).read_bytes()
    words = finished(tmp_path)
    second = train(dataset, tmp_path, one_step, 2, None, log=lines.append).read_bytes()
    assert f"{tmp_path}/model.safetensors: of another training; it stays until this one is done, and is kept beside it then" in lines
    assert finished(tmp_path / "earlier-1") == words and (tmp_path / "earlier-1/model.safetensors").read_bytes() == first != second


def test_two_trainings_do_not_share_a_folder(dataset, tmp_path):
    with alone_in(tmp_path), pytest.raises(UserError, match="another training runs here"):
        train(dataset, tmp_path, TINY, 1, None, log=lambda _: None)


def test_torn_weights_are_named(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(UserError, match=r"model\.safetensors: damaged"):
        read_tensors(tmp_path / "model.safetensors")


def test_the_rate_rises_then_falls():
    rates = [falling(step, 600, WARMUP, 0.05) for step in (0, 49, 300, 599)]
    assert rates[0] < rates[1] > rates[2] > rates[3] > 0.05


def _shown(dataset: Path, folder: Path) -> Path:
    """A dataset whose val split is its train split."""
    folder.mkdir()
    for split in ("train", "val"):
        (folder / f"{split}-000000.tar").write_bytes((dataset / "train-000000.tar").read_bytes())
    write_index(folder, {f"{split}-000000.tar": 8 for split in ("train", "val")})
    return folder


def _costs(line: str) -> tuple[float, float]:
    """What a logged step cost without its heatmaps, and what those did."""
    words = line.split()
    total, heat = (float(words[words.index(name) + 1]) for name in ("total", "heat"))
    return total - heat, heat


@pytest.mark.parametrize("model", ["pose2pose", "global"])
def test_learns_eight_sketches_by_heart(dataset, tmp_path, monkeypatch, model):
    """Its loss comes down to nearly nothing, and on what it has seen it is far better than the mean pose."""
    monkeypatch.setattr("estimator.steps.augment", lambda sample, rng: sample)
    shown, lines = _shown(dataset, tmp_path / "dataset"), []
    config = Estimator(model=model, size=64, width=16, steps=240, batch=8, lr=3e-3)
    train(shown, tmp_path / "out" / model, config, 0, None, log=lines.append)
    (first, _), (last, heat) = (_costs(line) for line in (lines[1], lines[-2]))
    # A joint between four cells is a surprise of up to log 4 to the best of heatmaps.
    assert last < 0.05 * first and heat < np.log(4)
    result = evaluate(shown, tmp_path / "out", None, shown, log=lambda _: None)
    ours, mean = ({name: v["value"] for name, v in result[method]["all"].items()} for method in (model, "mean_pose"))
    assert ours["mpjpe"] < 0.25 * mean["mpjpe"] and ours["pa_mpjpe"] < 0.3 * mean["pa_mpjpe"] and ours["pck"] > 0.9
    assert ours["mpve"] < 0.3 * mean["mpve"] and ours["mpjpe_drawn"] < 0.25 * mean["mpjpe_drawn"]
    assert ours["bone_scales"] < mean["bone_scales"]


@pytest.mark.slow  # minutes
@pytest.mark.timeout(1800)
def test_sketch2pose_learns_eight_sketches_by_heart(dataset, tiny_generator, tmp_path, monkeypatch):
    """With codes that know its eight poses; what these leave of the turns about the bones' own axes, it cannot say."""
    monkeypatch.setattr("estimator.steps.augment", lambda sample, rng: sample)
    shown, lines = _shown(dataset, tmp_path / "dataset"), []
    sketches = Sketches(shown, "train", 64)
    poses = np.stack([sketches[i].pose for i in range(8)])
    train_codes(poses, poses, tmp_path, 1000, 1, CodesSize(tokens=8, codes=64, code=8, width=32, layers=1))
    parts = {"generator": tiny_generator, "codes": tmp_path / "codes.safetensors"}
    config = Estimator(model="sketch2pose", size=64, width=32, steps=400, batch=8, lr=3e-3, **parts)
    train(shown, tmp_path / "out" / "sketch2pose", config, 0, None, log=lines.append)
    (first, _), (last, _) = (_costs(line) for line in (lines[1], lines[-2]))
    assert last < 0.15 * first
    result = evaluate(shown, tmp_path / "out", None, shown, log=lambda _: None)
    ours, mean = ({name: v["value"] for name, v in result[method]["all"].items()} for method in ("sketch2pose", "mean_pose"))
    assert ours["mpjpe"] < 0.15 * mean["mpjpe"] and ours["pa_mpjpe"] < 0.35 * mean["pa_mpjpe"] and ours["pck"] > 0.85


def test_evaluation_reports_every_method(dataset, tmp_path):
    for model in ("pose2pose", "global"):
        train(dataset, tmp_path / model, TINY.model_copy(update={"model": model}), 1, None, log=lambda _: None)
    lines: list[str] = []
    for name in ("forgotten+fit.worst.png", "my.own.png"):
        (tmp_path / name).touch()
    result = evaluate(dataset, tmp_path, None, dataset, log=lines.append, fit=True)
    assert not (tmp_path / "forgotten+fit.worst.png").exists() and (tmp_path / "my.own.png").exists()
    assert json.loads((tmp_path / "evaluation.json").read_text()) == result
    assert (tmp_path / "evaluation.md").read_text() == f"{lines[0]}\n" and "| pose2pose | all | 4 |" in lines[0]
    nets = ("bundled", "global", "pose2pose")
    assert list(result) == ["mean_pose", "fit", *(f"{name}+fit" for name in nets), *nets]
    assert list(result["mean_pose"]) == ["ink", "stick", "all"]
    for method in ("fit", "pose2pose"):
        for name in ("evaluation", "worst", "reliability"):
            assert cv2.imread(str(tmp_path / f"{method}.{name}.png")) is not None
    val, mean = Sketches(dataset, "val", 64), mean_pose(Sketches(dataset, "train", 64))
    by_hand = np.mean([np.linalg.norm(val[i].joints3d - mean.joints3d, axis=-1).mean() for i in range(4)]) * 1000
    told = result["mean_pose"]["all"]["mpjpe"]
    assert told["value"] == pytest.approx(by_hand, rel=1e-3) and told["low"] <= told["value"] <= told["high"]
    paired = json.loads((tmp_path / "paired.json").read_text())["pose2pose - mean_pose"]["all"]["mpjpe"]
    assert paired["value"] == pytest.approx(result["pose2pose"]["all"]["mpjpe"]["value"] - told["value"], abs=1e-3)
    assert {b["joints"] for b in json.loads((tmp_path / "reliability.json").read_text())["global"]["bins"]} <= set(range(65))
    rows = read_judged((tmp_path / SAMPLES).read_bytes(), "")
    assert rows["method"].to_pylist() == [name for name in (TRUTH, *result) for _ in range(4)]
    each = rows.filter(pc.equal(rows["method"], "pose2pose"))["metric_mpjpe"].to_numpy()
    assert each.mean() == pytest.approx(result["pose2pose"]["all"]["mpjpe"]["value"], rel=1e-4)
    assert to_numpy(rows, "joints2d")[0] == pytest.approx(val[0].joints2d / 64, abs=1e-5)


def test_each_model_looks_at_pictures_of_its_own_size(dataset, tmp_path, monkeypatch):
    """What a model says does not depend on the sizes of those beside it; the bundled one is always among them."""
    small = TINY.model_copy(update={"model": "global", "steps": 1})
    train(dataset, tmp_path / "global", small, 1, None, log=quiet)
    alone = evaluate(dataset, tmp_path, None, dataset, log=quiet)
    assert list(alone) == ["mean_pose", "bundled", "global"]
    assert alone["bundled"]["all"]["pck"]["value"] > alone["global"]["all"]["pck"]["value"]
    monkeypatch.setattr("estimator.evaluate._bundled", lambda _: {})  # it looks at the largest that there are
    by_itself = evaluate(dataset, tmp_path, None, dataset, log=quiet)
    train(dataset, tmp_path / "large", small.model_copy(update={"size": 2 * small.size}), 1, None, log=quiet)
    beside = evaluate(dataset, tmp_path, None, dataset, log=quiet)
    assert list(beside) == ["mean_pose", "global", "large"]
    for other, name in product((by_itself, beside), ("pa_mpjpe", "pck", "pck_body")):
        assert other["global"]["all"][name] == pytest.approx(alone["global"]["all"][name], rel=1e-4)


def quiet(_):
    pass


def test_unknown_models_and_profiles_are_named(dataset, tmp_path):
    with pytest.raises(UserError, match=r"no 'pose3pose'; expected one of pose2pose, lifter, sketch2pose, global"):
        train(dataset, tmp_path, TINY.model_copy(update={"model": "pose3pose"}), 1, None)
    with pytest.raises(UserError, match=r"--profile tpu: expected one of cpu, gpu"):
        changes("tpu")
    for name in ("cpu", "gpu"):
        recipe = load_recipe("demo", changes(name))
        assert recipe.estimator.size == 256 and recipe.estimator.dtype == "bfloat16"


def test_a_training_goes_on_from_another(dataset, tmp_path):
    """Its first weights are those of the other, and it says so; another size, or no training there, is refused."""
    before = train(dataset, tmp_path / "before", TINY, 1, None, log=lambda _: None)
    config = TINY.model_copy(update={"start": str(tmp_path / "before"), "steps": 1, "lr": 1e-9})
    weights, words = read_tensors(train(dataset, tmp_path / "after", config, 2, None, log=lambda _: None))
    kept = {name: value for name, value in read_tensors(before)[0].items() if not name.endswith("calibration")}
    assert all(torch.allclose(weights[name], value, atol=1e-6) for name, value in kept.items()) and words["start"]
    with pytest.raises(UserError, match=r"estimator\.start: .*before has width 8, the recipe 16"):
        train(dataset, tmp_path / "wide", config.model_copy(update={"width": 16}), 2, None)
    with pytest.raises(UserError, match=r"estimator\.start: .*nowhere: no finished training there"):
        train(dataset, tmp_path / "lost", config.model_copy(update={"start": "nowhere"}), 2, None)


def test_a_calibration_is_not_built_on_another(dataset, tmp_path, monkeypatch):
    """Slope and offset are found for the odds themselves, so a training that goes on from a calibrated model sees its plain odds."""
    monkeypatch.setattr("estimator.job.calibrated", lambda *_: torch.tensor([2.0, 1.0]))
    path = train(dataset, tmp_path / "before", TINY, 1, None, log=lambda _: None)
    told = [value for name, value in read_tensors(path)[0].items() if name.endswith(CALIBRATION)]
    assert [value.tolist() for value in told] == [[2.0, 1.0]]
    weights = starting_weights(TINY.model_copy(update={"start": str(tmp_path / "before")}), Skeleton(load_body()))
    assert [value.tolist() for name, value in weights.items() if name.endswith(CALIBRATION)] == [list(NEUTRAL)]


def test_half_precision_trains_too(dataset, tmp_path):
    """bfloat16 ends near float32, and the weights are float32 either way."""
    ends = [
        train(dataset, tmp_path / d, TINY.model_copy(update={"dtype": d}), 1, None, log=lambda _: None) for d in ("float32", "bfloat16")
    ]
    full, half = (read_tensors(path)[0] for path in ends)
    assert all(value.dtype == torch.float32 for value in half.values())
    assert 0 < max((full[name] - half[name]).abs().max() for name in full) < 0.05


# ---- many ranks ----


@pytest.mark.timeout(900)  # three processes load torch
@pytest.mark.parametrize("model", ["pose2pose", "lifter"])
def test_two_ranks_end_where_one_does(dataset, tmp_path, model):
    """Two processes with half of each batch each, as torchrun starts them, against one with all of it."""
    config = TINY.model_copy(update={"steps": 4, "model": model})
    alone = train(dataset, tmp_path / "alone", config, 1, None, log=lambda _: None)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    given = ["-m", "tests.estimator.two_ranks", str(dataset), str(tmp_path / "two"), config.model_dump_json()]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*torchrun, *given], cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"{model} 4/4") == 1  # one rank speaks
    (one, words), (two, same) = read_tensors(alone), read_tensors(tmp_path / "two" / "model.safetensors")
    assert words == same
    start = read_tensors(
        train(dataset, tmp_path / "start", config.model_copy(update={"steps": 1, "lr": 1e-9}), 1, None, log=lambda _: None)
    )[0]
    for name, value in one.items():
        moved = (value - start[name]).abs().max()
        assert (two[name] - value).abs().max() <= 0.02 * moved + 1e-6, name


def test_a_batch_that_ranks_cannot_share_is_refused(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("estimator.train.joined", lambda: nullcontext(Ranks(0, 3)))
    with pytest.raises(UserError, match="4 samples cannot be shared by 3 ranks"):
        train(dataset, tmp_path, TINY, 1, None)


# ---- confidence ----


def test_calibration_finds_the_odds_again():
    """Outcomes drawn with half the odds and an offset: slope and offset come back, and confidence then means what it says."""
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 3, 20000)
    true = 1 / (1 + np.exp(-(0.5 * odds - 1)))
    hit = rng.random(20000) < true
    told = 1 / (1 + np.exp(-odds))
    slope, offset = platt(told, hit)
    assert slope == pytest.approx(0.5, abs=0.03) and offset == pytest.approx(-1, abs=0.06)
    mended = 1 / (1 + np.exp(-(slope * odds + offset)))
    before, after = (reliability(c, hit)["expected_calibration_error"] for c in (told, mended))
    assert after < 0.02 < 0.15 < before


def test_reliability_by_hand():
    told = reliability(np.array([0.05, 0.75, 0.75, 1.0]), np.array([0, 1, 0, 1], bool))
    assert told["bins"] == [
        {"joints": 1, "confidence": 0.05, "found": 0.0},
        {"joints": 2, "confidence": 0.75, "found": 0.5},
        {"joints": 1, "confidence": 1.0, "found": 1.0},
    ]
    assert told["expected_calibration_error"] == pytest.approx((0.05 + 2 * 0.25) / 4)


def test_one_sample_in_32_is_held_out(dataset):
    steps = Steps(Sketches(dataset, "train", 64), TINY, 0, Ranks())
    assert steps.numbers == list(range(8)) and list(held_out(96)) == [31, 63, 95]
    others = Steps(steps.sketches, TINY, 0, Ranks(), "digest of the weights that it goes on from")
    assert not torch.equal(steps[3].images, others[3].images)
    whole, halves = steps[3], [Steps(steps.sketches, TINY, 0, Ranks(rank, 2))[3] for rank in (0, 1)]
    torch.testing.assert_close(whole.images[0::2], halves[0].images)
    torch.testing.assert_close(whole.pose[1::2], halves[1].pose)
