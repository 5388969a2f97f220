"""Training: it learns, it resumes, it refuses what is not its own."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from manifests.errors import UserError
from stages.detector.decoys import held_out
from stages.detector.detect import load_detector
from stages.detector.eyes import OwnEyes
from stages.detector.finder_net import FinderNet
from stages.detector.job import Amount, NetJob, Setting
from stages.detector.judge import judge_finder
from stages.detector.loader import crop_steps, picture_steps, plain_crops, plain_pictures
from stages.detector.losses import PictureBatch, finder_losses, pose_losses
from stages.detector.metrics import pck
from stages.detector.pose_net import PoseNet, PoseSize, initialise, normalised
from stages.detector.weights import POSE, start_from, write_half
from stages.epochs import rows_of_step
from stages.loop import train_job
from stages.tensorfile import read_tensors
from tests.detector.conftest import TINY
from tests.detector.figures import drawings

QUIET = {"log": lambda _: None}


def job(out, samples=16, seed=1, name="pose"):
    net = PoseNet(TINY) if name == "pose" else FinderNet()
    initialise(net, seed)
    return NetJob(name, net, Setting(out, drawings(6), drawings(4, 100), seed, half=False), Amount(samples, 4, 1e-3), {})


def test_a_tiny_network_learns_eight_drawings_by_heart():
    some = drawings(8)
    batch = next(plain_crops(some, 8))
    net = PoseNet(PoseSize(stem=(16, 24, 32), hidden=64, layers=2, heads=2, refine=(32, 32, 32)))
    initialise(net, 0)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    first = None
    for _ in range(80):
        terms = pose_losses(net, batch)
        first = first or terms["joints"].item()
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    assert terms["joints"].item() < first / 2
    eyes = OwnEyes(net)
    reading = eyes.joints(eyes.see(batch.images, flip=False))
    assert pck(reading.joints.numpy(), batch.joints.numpy(), batch.visibility.numpy(), 1) == 1
    assert (reading.visibility.argmax(-1) == batch.visibility).all()


def test_the_finder_learns_eight_drawings_by_heart():
    some = drawings(8)
    batch = next(plain_pictures(some, 8))
    net = FinderNet()
    initialise(net, 0)
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    for _ in range(60):
        loss = sum(finder_losses(net, batch).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert judge_finder(net, some, "cpu")["box_iou"] > 0.85


def test_the_finder_learns_by_heart_who_is_there():
    pictures, empty = next(plain_pictures(drawings(4), 4)), np.stack(held_out(4))
    nobody = pictures._replace(images=torch.from_numpy(empty), there=torch.zeros(4), figure=torch.zeros_like(pictures.figure))
    batch = PictureBatch(*(torch.cat(pair) for pair in zip(pictures, nobody, strict=True)))
    net = FinderNet()
    initialise(net, 0)
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    for _ in range(40):
        optimizer.zero_grad()
        finder_losses(net, batch)["there"].backward()
        optimizer.step()
    assert ((net(normalised(batch.images)).there > 0) == (batch.there > 0)).all()


def test_a_picture_of_nobody_teaches_neither_box_nor_style():
    net = FinderNet()
    initialise(net, 0)
    batch = next(plain_pictures(drawings(4), 4))
    terms = finder_losses(net, batch._replace(there=torch.zeros(4)))
    assert terms["edges"] == 0 and terms["style"] == 0 and terms["there"] > 0
    some, rest = batch._replace(there=torch.tensor([1.0, 0, 0, 0])), PictureBatch(*(part[:1] for part in batch))
    net.eval()
    assert finder_losses(net, some)["edges"].item() == pytest.approx(finder_losses(net, rest)["edges"].item(), rel=1e-4)


def test_outside_joints_teach_nothing():
    net = PoseNet(TINY)
    initialise(net, 0)
    batch = next(plain_crops(drawings(2), 2))
    nothing = batch._replace(visibility=torch.zeros_like(batch.visibility))
    assert pose_losses(net, nothing)["joints"] == 0


def test_an_interrupted_training_ends_in_the_same_weights(tmp_path):
    assert train_job(job(tmp_path / "one"), tmp_path / "one/pose", **QUIET)

    def stop(line):
        if line.startswith("pose 1/"):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        train_job(job(tmp_path / "two"), tmp_path / "two/pose", log=stop)
    assert not train_job(job(tmp_path / "two"), tmp_path / "two/pose", stop_after=2, **QUIET)
    assert train_job(job(tmp_path / "two"), tmp_path / "two/pose", **QUIET)
    assert (tmp_path / "one" / POSE).read_bytes() == (tmp_path / "two" / POSE).read_bytes()
    lines = []
    assert train_job(job(tmp_path / "two"), tmp_path / "two/pose", log=lines.append) and "trained already" in lines[0]


@pytest.mark.parametrize(("steps", "sentence"), [(1, "made with another seed"), (None, "finished with another seed")])
def test_a_training_of_something_else_is_refused(tmp_path, steps, sentence):
    train_job(job(tmp_path, samples=8), tmp_path / "pose", stop_after=steps, **QUIET)
    with pytest.raises(UserError, match=sentence):
        train_job(job(tmp_path, samples=8, seed=2), tmp_path / "pose", **QUIET)


def test_trained_weights_make_a_detector(tmp_path):
    for name in ("finder", "pose"):
        assert train_job(job(tmp_path, samples=4, name=name), tmp_path / name, **QUIET)
    held = drawings(3)
    found = load_detector(tmp_path).detect([held.picture(i) for i in range(3)])
    assert found.joints.shape == (3, 16, 2)
    card = json.loads((tmp_path / "card.json").read_text())
    assert {"pck", "pck_inside", "visibility"} == set(card["pose"]["held_out"]) and card["finder"]["trained"]["amount"]["samples"] == 4
    assert list((tmp_path / "pose/tensorboard").iterdir())


def test_batches_follow_from_the_step_and_show_every_drawing():
    some = drawings(6)
    steps, again = crop_steps(some, 3, 5), crop_steps(some, 3, 5)
    again[7]
    for one, two in zip(steps[2], again[2], strict=True):
        assert torch.equal(one, two)
    for epoch in range(2):
        assert sorted(row for step in (0, 1) for row in rows_of_step(6, 3, 2 * epoch + step, 5, "detector")) == list(range(6))
    long = rows_of_step(6, 18, 0, 5, "detector")  # a batch of three epochs
    assert long == [row for step in range(6) for row in rows_of_step(6, 3, step, 5, "detector")]
    assert long != rows_of_step(6, 18, 0, 5, "generator") and long[:6] != long[6:12]
    assert picture_steps(some, 3, 5)[0].figure.shape == (3, 32, 32)


def test_half_precision_changes_little(tmp_path):
    net = PoseNet(TINY)
    initialise(net, 0)
    write_half(tmp_path / "a.safetensors", net, {})
    tensors = read_tensors(tmp_path / "a.safetensors")[0]
    assert all(value.dtype == torch.float16 for value in tensors.values())
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(tensors[name].float(), value, rtol=1e-3, atol=1e-6)


def test_a_network_goes_on_from_weights_even_of_another_size(folder, tmp_path):
    net, wider = PoseNet(TINY), PoseNet(replace(TINY, refine=(32, 24, 24)))
    for one in (net, wider):
        start_from(one, folder / POSE)
    tensors = read_tensors(folder / POSE)[0]
    assert all(torch.equal(value.float(), net.state_dict()[name]) for name, value in tensors.items())
    assert torch.equal(wider.state_dict()["fine.0.0.weight"], tensors["fine.0.0.weight"].float())
    with pytest.raises(UserError, match="nothing in it fits"):
        start_from(FinderNet(), folder / POSE)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_gpu_profile_without_a_gpu_is_a_sentence(tmp_path):
    command = [sys.executable, "-m", "stages.detector.train", "--library", str(tmp_path), "--out", str(tmp_path), "--profile", "gpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "torch finds no GPU here; --device cpu" in done.stderr


def test_a_command_says_what_is_wrong_in_a_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "stages.detector.train", "--library", str(tmp_path), "--out", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 2 and str(tmp_path) in done.stderr and "Traceback" not in done.stderr
