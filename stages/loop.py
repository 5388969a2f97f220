"""The loop of all longer trainings: any network, stopped at any time, goes on from its last checkpoint as if nothing had happened."""

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from manifests.errors import UserError
from stages.ranks import ALONE, Ranks
from stages.training import State, alone_in, differences, interruptible, stream
from stages.wholefile import write_json

CHECKPOINT, DONE, TENSORBOARD = "checkpoint.safetensors", "done.json", "tensorboard"

Log = Callable[[str], None]


@dataclass(frozen=True)
class Course:
    """How many steps of how many samples; what State wants to know; and every how many steps something is written."""

    steps: int
    batch: int
    ema: float
    clip: float = 1.0
    weight_decay: float = 0.05
    report_every: int = 10
    checkpoint_every: int = 100
    show_every: int = 1000
    keep_at: int = 0  # the step after which Job.keep is asked; 0: never


class Job(ABC):
    """What is trained. A batch follows from its step alone, so a resumed training sees what it would have seen.

    identity: what decides the weights, in words that JSON holds. dtype: of autocast; float32 for none.
    """

    name: str
    course: Course
    identity: dict
    device: torch.device
    dtype: torch.dtype = torch.float32
    ranks: Ranks = ALONE

    @abstractmethod
    def net(self) -> nn.Module:
        """What learns, on its device; several networks are an nn.ModuleDict."""

    @abstractmethod
    def batches(self) -> Dataset:
        """Item i is the batch of step i: tensors by name, or a NamedTuple of them."""

    @abstractmethod
    def losses(self, batch: Any, step: int) -> dict[str, Tensor]:
        """What is to become small, by name."""

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """What is trained on."""
        return torch.stack([term.float() for term in terms.values()]).sum()

    @abstractmethod
    def rate(self, step: int) -> float:
        """The learning rate of a step."""

    @abstractmethod
    def publish(self, folder: Path) -> dict[str, float]:
        """Write what has been learnt and say what it measures. The network has averaged weights."""

    def show(self, folder: Path, step: int, board: SummaryWriter) -> None:
        """Let the reader see how far it has come. The network has averaged weights. A step may be shown again after a kill."""

    def keep(self, folder: Path) -> None:
        """Write down what has been learnt at `course.keep_at`. The network has averaged weights. May come again after a kill."""

    def notes(self) -> str:
        """A line to show at the start."""
        return f"{sum(p.numel() for p in self.net().parameters()) / 1e6:.2f} M parameters"

    def finished(self, folder: Path) -> dict | None:
        """What the finished training in a folder was of; None where there is none."""
        return finished(folder)

    def begin(self, folder: Path, state: State, log: Log) -> dict:
        """Load the checkpoint; its words. What another training has left is refused."""
        if other := self.finished(folder):
            raise UserError(f"{folder}: finished with another {', '.join(differences(other, self.identity))}; name another folder")
        return state.resume()

    def conclude(self, folder: Path, told: dict) -> None:
        """Say that it is finished; `told` holds what was measured, and the seconds it took."""
        write_json(folder / DONE, {"identity": self.identity, **told}, in_order=False)


def train_job(job: Job, folder: Path, workers: int = 0, log: Log = print, stop_after: int | None = None) -> bool:
    """Train to the end, or for `stop_after` steps more; whether the end was reached. A finished training is left alone."""
    if job.finished(folder) == job.identity:
        log(f"{job.name}: trained already, see {folder}")
        return True
    with alone_in(folder) if job.ranks.first else nullcontext(), interruptible():
        return _Loop(job, folder, log if job.ranks.first else _silent).run(workers, stop_after)


class _Loop:
    def __init__(self, job: Job, folder: Path, log: Log):
        self.job, self.course, self.folder, self.log = job, job.course, folder, log
        course = job.course
        self.state = State(job.net(), folder / CHECKPOINT, job.identity, course.ema, course.clip, course.weight_decay)
        words = job.begin(folder, self.state, log)
        self.first = self.saved = words.get("step", 0)
        self.before, self.began = words.get("seconds", 0.0), time.monotonic()

    def run(self, workers: int, stop_after: int | None) -> bool:
        """From the last checkpoint to the end, or so many steps."""
        last = self.course.steps
        end = last if stop_after is None else min(last, self.first + stop_after)
        self.log(f"{self.job.name}: step {self.first} of {last}, {self.course.batch} samples each; {self.job.notes()}")
        with SummaryWriter(str(self.folder / TENSORBOARD), purge_step=self.first) if self.job.ranks.first else nullcontext() as board:
            try:
                self._steps(stream(self.job.batches(), self.first, end, workers), end, board)
            except BaseException as e:
                if not isinstance(e, Exception):  # a signal
                    self.log(f"{self.job.name}: stopped; the same command goes on after step {self.saved} of {last}")
                raise
            if end == last and board:
                self._finish(board)
        self.job.ranks.wait()
        return end == last

    def _steps(self, batches: Iterator[Any], end: int, board: SummaryWriter | None) -> None:
        course = self.course
        self.state.net.train()
        for step, batch in zip(range(self.first, end), batches, strict=True):
            terms, norm = self._step(batch, step)
            done = step + 1
            if done % course.report_every == 0 or done in (self.first + 1, end):
                self._report(done, terms, norm, board)
            if board:
                self._keep_and_show(done, board)
            # Afterwards, for what is kept: a training that is killed before comes to that step once more.
            if done % course.checkpoint_every == 0 or done == end:
                self._save(done)

    def _keep_and_show(self, done: int, board: SummaryWriter) -> None:
        kept, shown = done == self.course.keep_at, done % self.course.show_every == 0 or done == self.course.steps
        with self.state.averaged() if kept or shown else nullcontext(), torch.no_grad():
            if kept:
                self.job.keep(self.folder)
            if shown:
                self.job.show(self.folder, done, board)

    def _step(self, batch: Any, step: int) -> tuple[dict[str, Tensor], Tensor]:
        job = self.job
        with torch.autocast(job.device.type, job.dtype, enabled=job.dtype != torch.float32):
            terms = job.losses(_placed(batch, job.device), step)
        norm = self.state.update(job.total(terms), step, job.rate(step))
        return {name: term.detach() for name, term in terms.items()}, norm

    def _save(self, step: int) -> None:
        if self.job.ranks.first:
            self.state.save(step, seconds=self._seconds())
        self.job.ranks.wait()
        self.saved = step

    def _finish(self, board: SummaryWriter) -> None:
        """Publish, and say that it is finished; the checkpoint is of no more use."""
        with self.state.averaged(), torch.no_grad():
            measured = self.job.publish(self.folder)
        for name, value in measured.items():
            board.add_scalar(f"held/{name}", value, self.course.steps)
        self.job.conclude(self.folder, {"measured": measured, "seconds": round(self._seconds())})
        self.state.path.unlink(missing_ok=True)
        self.log("  ".join([f"{self.job.name}: finished", *(f"{name} {value:.3f}" for name, value in measured.items())]))

    def _report(self, step: int, terms: dict[str, Tensor], norm: Tensor, board: SummaryWriter | None) -> None:
        mean = dict(zip(terms, self.job.ranks.mean(torch.stack([term.float() for term in terms.values()])), strict=True))
        words = {name: float(value) for name, value in {"total": self.job.total(mean), **mean, "gradient": norm}.items()}
        for name, value in words.items():
            if board:
                board.add_scalar(f"loss/{name}", value, step)
        pace = 1000 * (time.monotonic() - self.began) / (step - self.first) / self.course.batch
        line = "  ".join(f"{name} {value:.4f}" for name, value in words.items())
        self.log(f"{self.job.name} {step}/{self.course.steps}  {line}  {pace:.0f} ms a sample")

    def _seconds(self) -> float:
        return self.before + time.monotonic() - self.began


def finished(folder: Path) -> dict | None:
    """What a finished training was of; None where it is not finished."""
    try:
        return json.loads((folder / DONE).read_bytes())["identity"]
    except (OSError, ValueError, KeyError):
        return None


def falling(step: int, steps: int, warmup: int, floor: float) -> float:
    """Share of the learning rate at a step: up over the warm-up, then down along half a cosine to the floor."""
    return min(1.0, (step + 1) / max(1, warmup)) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _placed(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, dict):
        return {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    return type(batch)(*(part.to(device, non_blocking=True) for part in batch))


def _silent(_: str) -> None:
    pass
