"""The loop that trains either network, and can be stopped at any time."""

import copy
import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stages.detector.loader import Steps
from stages.training import State, alone_in, stream

EMA = 0.998
_WARM, _FLOOR = 0.04, 0.01  # share of the training in which the rate rises; share of it that is left at the end
_REPORT = 30.0  # seconds between lines of the log


@dataclass(frozen=True)
class Job:
    """What is trained, on what, and how it is judged. `losses`: terms of a batch; `judge`: figures of the averaged network."""

    name: str
    net: nn.Module
    steps: Steps
    losses: Callable[[Any, Any], dict[str, Tensor]]
    judge: Callable[[Any], dict[str, float]]
    publish: Callable[[Any, dict], None]
    last: int  # number of steps
    rate: float


@dataclass(frozen=True)
class Pace:
    """How it is carried out. `minutes`: the schedule ends by then, if not by the number of steps before."""

    device: str = "cpu"
    workers: int = 1
    minutes: float | None = None
    save_every: float = 100.0  # seconds
    judge_every: float = 300.0
    half: bool = True  # bfloat16 where it is safe


def fit(job: Job, out: Path, identity: dict, pace: Pace, log: Callable[[str], None] = print) -> bool:
    """Train from the last checkpoint to the end, or to a signal; whether the end was reached."""
    state = State(job.net.to(pace.device), out / f"{job.name}.checkpoint.safetensors", identity, EMA)
    with alone_in(out), _stoppable() as stopped:
        return _Fit(job, state, out, pace, log).run(stopped)


class _Fit:
    def __init__(self, job: Job, state: State, out: Path, pace: Pace, log: Callable[[str], None]):
        self.job, self.state, self.out, self.pace, self.log = job, state, out, pace, log
        words = state.resume()
        self.step, self.before = words.get("step", 0), words.get("seconds", 0.0)
        self.first, self.began = self.step, time.monotonic()

    def run(self, stopped: Callable[[], bool]) -> bool:
        """Steps, and every now and then a line, a checkpoint, a judgement."""
        if self._progress() >= 1:
            self.log(f"{self.job.name}: trained already")
            return True
        told = saved = judged = self.began
        for batch in stream(self.job.steps, self.step, self.job.last, self.pace.workers):
            terms = self._update(batch)
            now, done = time.monotonic(), self._progress() >= 1 or stopped()
            if done or now - told > _REPORT or self.step == 1:
                told = now
                self._tell(terms)
            if done or now - saved > self.pace.save_every:
                saved = now
                self.state.save(self.step, seconds=self._seconds())
            if self._progress() >= 1 or now - judged > self.pace.judge_every:
                judged = now
                self._judge()
            if done:
                break
        return self._progress() >= 1

    def _update(self, batch: Any) -> dict[str, Tensor]:
        self.job.net.train()
        batch = type(batch)(*(part.to(self.pace.device, non_blocking=True) for part in batch))
        with torch.autocast(self.pace.device, torch.bfloat16, enabled=self.pace.half):
            terms = self.job.losses(self.job.net, batch)
        self.state.update(
            sum(terms.values(), torch.zeros((), device=self.pace.device)), self.step, self.job.rate * schedule(self._progress())
        )
        self.step += 1
        return {name: term.detach() for name, term in terms.items()}

    def _progress(self) -> float:
        steps = self.step / self.job.last
        return steps if self.pace.minutes is None else max(steps, self._seconds() / (60 * self.pace.minutes))

    def _seconds(self) -> float:
        return self.before + time.monotonic() - self.began

    def _tell(self, terms: dict[str, Tensor]) -> None:
        """A line for the reader, and one for the log file."""
        speed = (self.step - self.first) * self.job.steps.batch / (time.monotonic() - self.began)
        values = {name: round(term.item(), 4) for name, term in terms.items()}
        row = {"step": self.step, "samples": self.step * self.job.steps.batch, "seconds": round(self._seconds()), "pace": round(speed, 1)}
        self._write(row | values)

    def _judge(self) -> None:
        """Figures of the averaged weights on held-out drawings; these weights are published with them."""
        net = copy.deepcopy(self.job.net)
        net.load_state_dict(self.state.average)
        net.eval().requires_grad_(False)
        figures = {name: round(value, 4) for name, value in self.job.judge(net).items()}
        trained = {"samples": self.step * self.job.steps.batch, "seconds": round(self._seconds()), **self.state.identity}
        self.job.publish(net, {"trained": trained, "held_out": figures})
        self._write({"step": self.step, **{f"held_out_{name}": value for name, value in figures.items()}})

    def _write(self, row: dict) -> None:
        self.log(f"{self.job.name}: " + " ".join(f"{name} {value}" for name, value in row.items()))
        with (self.out / f"{self.job.name}.jsonl").open("a") as f:
            f.write(json.dumps(row) + "\n")


def schedule(progress: float) -> float:
    """Share of the learning rate at a share of the training: up in a line, down along a cosine."""
    falling = _FLOOR + (1 - _FLOOR) * (1 + math.cos(math.pi * min(progress, 1))) / 2
    return min(1.0, (progress + 1e-3) / _WARM) * falling


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """SIGTERM and Ctrl-C let the step end and the checkpoint be written."""
    asked: list[int] = []
    old = {number: signal.signal(number, lambda n, _: asked.append(n)) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
