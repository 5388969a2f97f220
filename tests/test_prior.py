"""The learned prior: its weights, its draws, the fence of joint limits, its training."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from manifests.errors import UserError, command
from stages.body.model import load_body
from stages.body.rotations import angle_between, matrix_from_axis_angle
from stages.poses import judge_prior, train_prior, widen
from stages.poses.captions import arms, measured, stance
from stages.poses.fence import fenced
from stages.poses.judge_prior import precision_recall, reach, reconstruction, sampled
from stages.poses.kinematics import mirrored, place_joints
from stages.poses.prior import LATENT, WEIGHTS, load_prior
from stages.poses.prior_data import draw_archetypes
from stages.poses.train_prior import kinds_of_poses
from tests.test_sources import WAVING, bvh

ROOT = Path(__file__).parent.parent
BUNDLED = ROOT / "stages/poses/weights" / WEIGHTS
REST = load_body().rest_points(np.zeros(10))[:24]
PRIOR = load_prior()


def draws(count, share=0.5, seed=1):
    rng = np.random.default_rng(seed)
    return [widen.draw(rng, share) for _ in range(count)]


def test_the_bundled_weights_are_small():
    assert BUNDLED.stat().st_size < 1_500_000
    assert (BUNDLED.parent / "README.md").exists()


def test_draws_do_not_know_their_neighbours():
    some = draws(9)
    together = widen.poses(PRIOR, some)
    assert all(np.array_equal(widen.poses(PRIOR, [d])[0], pose) for d, pose in zip(some, together, strict=True))


def test_decoding_gives_rotations():
    turns = PRIOR.decode(np.random.default_rng(0).normal(0, 3, (20, LATENT)))
    assert np.abs(np.swapaxes(turns, -1, -2) @ turns - np.eye(3)).max() < 1e-9
    assert np.allclose(np.linalg.det(turns), 1)


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_draws_respect_the_limits(seed, share):
    turns = widen.poses(PRIOR, draws(4, share, seed))
    assert np.abs(fenced(turns) - turns).max() < 1e-6


@given(st.integers(0, 2**32))
def test_the_fence_holds_anything_and_mirrors(seed):
    turns = matrix_from_axis_angle(np.random.default_rng(seed).normal(0, 1.2, (4, 24, 3)))
    once = fenced(turns)
    assert np.abs(fenced(once) - once).max() < 1e-6
    assert np.abs(fenced(mirrored(turns)) - mirrored(once)).max() < 1e-9
    assert np.array_equal(once[:, 0], turns[:, 0])


def test_no_archetypes_are_poses_too():
    assert draw_archetypes(0, 1).shape == (0, 24, 3, 3)


def test_the_fence_lets_archetypes_through():
    turns = draw_archetypes(300, 1)
    moved = np.degrees(angle_between(turns, fenced(turns)))
    assert moved.max() < 8  # raised arms slightly behind the back
    assert moved.mean() < 0.02


def test_knees_and_elbows_do_not_bend_backwards():
    pose = np.zeros((1, 24, 3))
    pose[0, 4, 0], pose[0, 18, 1], pose[0, 19, 1] = -1.0, 1.0, -1.0
    assert np.degrees(angle_between(fenced(matrix_from_axis_angle(pose)), np.eye(3))).max() < 3.1


def test_every_kind_of_pose_is_there():
    found = measured(place_joints(sampled(PRIOR, 4000, 0.4, 2), REST)[1])
    stances = {stance(m).split(" the ")[0] for m in found}
    assert {"standing", "sitting", "crouching", "kneeling", "crawling", "on all fours", "lying on", "upside down"} <= stances
    assert {"hand at the head", "hand on the hip"} <= {a.split(" ", 1)[1] for m in found for a in arms(m) if a != "hands together"}


def test_widened_draws_differ_from_plain_ones():
    plain, wide = (draws(200, share, 5) for share in (0.0, 1.0))
    assert {d.mix for d in plain} == {-1}
    assert {d.mix for d in wide} == {-1, 0, 1, 2}
    i = next(i for i, d in enumerate(wide) if d.mix == 0 and not d.mirror)
    a, b = (widen.poses(PRIOR, [d[i]])[0] for d in (plain, wide))
    assert np.array_equal(a[[1, 2, 4, 5]], b[[1, 2, 4, 5]])  # the legs stay, the arms are another's
    assert np.abs(a[16] - b[16]).max() > 1e-3


def test_measures_of_the_prior():
    turns = draw_archetypes(300, 3)
    degrees, millimetres = reconstruction(BUNDLED, turns)
    assert degrees < 8
    assert millimetres < 40
    joints = place_joints(turns, REST)[1]
    flat = joints.reshape(300, -1)
    assert precision_recall(flat, flat) == (1, 1)
    assert precision_recall(flat + 10, flat) == (0, 0)
    assert reach(joints, joints, 1) > 0.7


def test_kinds_of_poses_find_clusters():
    rng = np.random.default_rng(0)
    mean = np.concatenate([rng.normal(m, 0.1, (300, LATENT)) for m in (-3, 3)])
    share, centre, factor = kinds_of_poses(mean, np.full(mean.shape, 0.01), np.full(600, 1 / 600), 1)
    assert share.sum() == pytest.approx(1)
    assert np.abs(np.abs(centre).mean(1) - 3).max() < 0.2
    assert np.isfinite(factor).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"decoder.1.weight": None}, "decoder.1.weight is missing or not finite"),
        ({"latent.mean": np.full((24, 32), np.nan, np.float16)}, "latent.mean is missing or not finite"),
        ({"decoder.2.bias": np.zeros(7, np.float16)}, r"its layers .* do not lead from 32 to 132 numbers"),
        ({"latent.share": np.ones(3, np.float16)}, "do not fit 3 kinds of poses"),
    ],
)
def test_bad_weights_are_one_sentence(tmp_path, change, sentence):
    arrays = {k: v for k, v in {**load_file(BUNDLED), **change}.items() if v is not None}
    save_file(arrays, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=rf"w\.safetensors: .*{sentence}"):
        load_prior(tmp_path / "w.safetensors")


def test_cut_off_weights(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(BUNDLED.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"w\.safetensors: cannot read these weights"):
        load_prior(tmp_path / "w.safetensors")


def recordings(folder):
    """Clips of a few frames, some of which are held out by their names."""
    for i in range(12):
        (folder / f"c{i}.bvh").write_text(bvh(WAVING[i % 3 :]))
    return f"bvh:{folder}"


def test_training_from_any_recordings(tmp_path):
    command = [sys.executable, "-m", "stages.poses.train_prior", "--source", recordings(tmp_path), "--steps", "3"]
    for name in ("a", "b"):
        subprocess.run([*command, str(tmp_path / "new" / name)], cwd=ROOT, check=True, capture_output=True)
    assert [path.name for path in sorted((tmp_path / "new").iterdir())] == ["a", "b"]
    assert (tmp_path / "new/a").read_bytes() == (tmp_path / "new/b").read_bytes()
    assert load_prior(tmp_path / "new/a").decode(np.zeros((1, LATENT))).shape == (1, 24, 3, 3)


@pytest.mark.parametrize(
    ("main", "arguments", "sentence"),
    [
        (train_prior.main, ("out", "--rate", "0"), "--rate 0.0: expected more than 0"),
        (train_prior.main, ("out", "--steps", "0"), "--steps 0: expected 1 or more"),
        (train_prior.main, ("out", "--archetypes", "nan"), "--archetypes nan: expected a share from 0 to 1"),
        (train_prior.main, ("out", "--seed", "-1"), "--seed -1: expected 0 or more"),
        (train_prior.main, ("out", "--archetypes", "0", "--rate", "1"), r"18 frames to train on, expected 24 at least"),
        (train_prior.main, (".",), r"\.: cannot write here"),
        (train_prior.main, ("c0.bvh/out",), "c0.bvh: File exists"),
        (judge_prior.main, (str(BUNDLED), "--rate", "nan"), "--rate nan: expected more than 0"),
        (judge_prior.main, (str(BUNDLED), "--count", "3"), "--count 3: expected more than 3"),
        (judge_prior.main, (str(BUNDLED),), r"\d frames are held out, expected more than 30"),
    ],
)
def test_what_would_end_a_training_or_its_measures_is_said_before(tmp_path, main, arguments, sentence, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_prior, "train", None)
    monkeypatch.setattr("sys.argv", ["tool", *arguments, "--source", recordings(tmp_path)])
    with pytest.raises(SystemExit) as end:
        command(main)
    assert end.value.code == 2 and re.search(sentence, capsys.readouterr().err)
