"""What a training keeps besides its network: the running average of the weights, and the way there and back."""

import pytest
import torch
from torch import nn

from stages.loop import Course, Job, train_job
from stages.training import State

EMA, RATE, STEPS = 0.5, 0.1, 4


def _weight() -> nn.Linear:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 2.0)
    return net


class Sinking(Job):
    """A weight that a few steps make smaller; notes what it was after each, and what was published."""

    name, identity, device = "sinking", {}, torch.device("cpu")
    course = Course(STEPS, 1, EMA, weight_decay=0.0)

    def __init__(self):
        self._net = _weight()
        self.seen: list[float] = []

    def net(self):
        return self._net

    def batches(self):
        return [{"x": torch.ones(1)} for _ in range(STEPS)]

    def losses(self, batch, step):
        self.seen.append(self._net.weight.item())
        return {"square": (self._net.weight * batch["x"]).square().sum()}

    def rate(self, step):
        return RATE

    def publish(self, folder):
        self.published = self._net.weight.item()
        return {}


def _averages(weights):
    """After each step: a short memory at first, or it would keep the start."""
    average = weights[0]
    for step, weight in enumerate(weights[1:]):
        average += (1 - min(EMA, (1 + step) / (10 + step))) * (weight - average)
        yield average


def test_the_average_follows_the_weights_and_takes_their_place_while_asked(tmp_path):
    net = _weight()
    state, weights = State(net, tmp_path / "checkpoint.safetensors", {}, EMA, weight_decay=0.0), [net.weight.item()]
    for step in range(STEPS):
        state.update(net.weight.square().sum(), step, RATE)
        weights.append(net.weight.item())
    *_, average = _averages(weights)
    assert weights == sorted(weights, reverse=True) and average - weights[-1] > 0.01
    with state.averaged():
        assert net.weight.item() == pytest.approx(average) and not net.training
    assert net.weight.item() == weights[-1] and net.training
    state.save(STEPS)
    other = State(_weight(), state.path, {}, EMA)
    assert other.resume()["step"] == STEPS and other.net.weight.item() == weights[-1]
    with other.averaged():
        assert other.net.weight.item() == pytest.approx(average)


def test_what_is_published_is_the_average(tmp_path):
    job = Sinking()
    assert train_job(job, tmp_path, log=lambda _: None)
    *_, average = _averages([*job.seen, job.net().weight.item()])
    assert job.published == pytest.approx(average) and average - job.net().weight.item() > 0.01
