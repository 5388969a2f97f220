"""The training loop: any of the stages, stopped at any time, goes on from its last checkpoint as if nothing had happened."""

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from manifests.errors import UserError
from manifests.randomness import generator
from stages.sketches.generator.config import Stretch
from stages.sketches.generator.drawings import encoded
from stages.tensorfile import write_atomically
from stages.training import State, alone_in, differences, interruptible, stream

CHECKPOINT, DONE, TENSORBOARD, GRIDS = "checkpoint.safetensors", "done.json", "tensorboard", "grids"
_LOG_EVERY = 10

Log = Callable[[str], None]


class Job(ABC):
    """One stage of the training. A batch follows from its step alone, so a resumed training sees what it would have seen."""

    name: str
    config: Stretch
    identity: dict
    device: torch.device
    dtype: torch.dtype

    @abstractmethod
    def nets(self) -> dict[str, nn.Module]:
        """The networks that learn."""

    @abstractmethod
    def batches(self) -> Dataset:
        """Item i is the batch of step i: numpy arrays or tensors by name."""

    @abstractmethod
    def losses(self, batch: dict[str, Any], step: int, noise: torch.Generator) -> dict[str, Tensor]:
        """What is to become small, by name; their sum is what is trained on. All noise is of the given generator."""

    @abstractmethod
    def grid(self) -> np.ndarray:
        """A picture (H, W, 3) uint8 that shows how far it has come. The networks have averaged weights."""

    @abstractmethod
    def publish(self, folder: Path) -> dict:
        """Write what has been learnt so far into the folder and say what it measures. The networks have averaged weights."""

    def notes(self) -> str:
        """A line to show at the start."""
        return ""


def steps_of(config: Stretch) -> int:
    """Steps of a whole stage."""
    return -(-config.samples // config.batch)


def train(job: Job, folder: Path, workers: int, log: Log = print, stop_after: int | None = None) -> bool:
    """Train to the end, or for `stop_after` steps more; whether the end was reached. A finished stage is left alone."""
    done = finished(folder)
    if done == job.identity:
        log(f"{job.name}: trained already, see {folder}")
        return True
    if done is not None:
        raise UserError(f"{folder}: finished with another {', '.join(differences(done, job.identity))}; name another folder")
    last = steps_of(job.config)
    with alone_in(folder), interruptible():
        state = _state(job, folder)
        first = int(state.resume().get("step", 0))
        log(f"{job.name}: step {first} of {last}, {job.config.batch} samples each; {job.notes()}")
        end = last if stop_after is None else min(last, first + stop_after)
        run = _Run(job, state, folder, first, log)
        try:
            run.steps(stream(job.batches(), first, end, workers), first, end)
        except BaseException as e:
            if not isinstance(e, Exception):
                log(f"{job.name}: stopped; the same command goes on after step {run.saved} of {last}")
            raise
        if end == last:
            run.finish(last)
    return end == last


def _state(job: Job, folder: Path) -> State:
    config = job.config
    return State(nn.ModuleDict(job.nets()), folder / CHECKPOINT, job.identity, config.ema, config.clip, config.weight_decay)


class _Run:
    def __init__(self, job: Job, state: State, folder: Path, first: int, log: Log):
        self.job, self.state, self.folder, self.log, self.saved = job, state, folder, log, first
        self.board = SummaryWriter(str(folder / TENSORBOARD), purge_step=first)

    def steps(self, batches: Iterator[dict[str, Any]], first: int, end: int) -> None:
        """From one step to another, with what is written on the way."""
        config, spent = self.job.config, 0.0
        self.state.net.train()
        for step in range(first, end):
            began = time.monotonic()
            terms, norm = self._step(next(batches), step)
            done, spent = step + 1, spent + time.monotonic() - began
            if done % _LOG_EVERY == 0 or done in (first + 1, end):
                self._report(done, terms, norm, spent / (done - first) / config.batch)
            if done % config.checkpoint_every == 0 or done == end:
                self.state.save(done)
                self.saved = done
            if done % config.grid_every == 0 or done == steps_of(config):
                self._show(done)

    def finish(self, step: int) -> None:
        """Publish, and say that it is finished; the checkpoint is of no more use."""
        with self.state.averaged(), torch.no_grad():
            measured = self.job.publish(self.folder)
        for name, value in measured.items():
            self.board.add_scalar(f"held/{name}", value, step)
        self.board.close()
        words = {"identity": self.job.identity, "measured": measured}
        write_atomically(self.folder / DONE, json.dumps(words, indent=1, sort_keys=True).encode() + b"\n")
        self.state.path.unlink(missing_ok=True)
        self.log(f"{self.job.name}: finished; " + "  ".join(f"{name} {value:.3f}" for name, value in measured.items()))

    def _step(self, batch: dict[str, Any], step: int) -> tuple[dict[str, Tensor], Tensor]:
        job, config = self.job, self.job.config
        rng = generator(job.identity["seed"], f"noise-{step}", f"generator-{job.name}")
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        batch = {name: value.to(job.device) if isinstance(value, Tensor) else value for name, value in batch.items()}
        with torch.autocast(job.device.type, job.dtype, enabled=job.dtype != torch.float32):
            terms = job.losses(batch, step, noise)
        total = torch.stack([term.float() for term in terms.values()]).sum()
        norm = self.state.update(total, step, config.rate * schedule(step, steps_of(config), config.warmup))
        return {name: term.detach() for name, term in terms.items()}, norm

    def _report(self, step: int, terms: dict[str, Tensor], norm: Tensor, seconds: float) -> None:
        values = {name: float(term) for name, term in terms.items()}
        for name, value in {**values, "total": sum(values.values()), "gradient": float(norm)}.items():
            self.board.add_scalar(f"loss/{name}", value, step)
        words = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        self.log(f"{self.job.name} {step}/{steps_of(self.job.config)}  {words}  gradient {norm:.2f}  {1000 * seconds:.0f} ms a sample")

    def _show(self, step: int) -> None:
        """A grid of samples, as PNG and in the TensorBoard file, and the weights as they are now."""
        with self.state.averaged(), torch.no_grad():
            picture = self.job.grid()
        (self.folder / GRIDS).mkdir(exist_ok=True)
        write_atomically(self.folder / GRIDS / f"{step:07d}.png", encoded(picture))
        self.board.add_image("samples", picture, step, dataformats="HWC")
        self.board.flush()


def finished(folder: Path) -> dict | None:
    """What a finished stage was trained from; None where it is not finished."""
    try:
        return json.loads((folder / DONE).read_bytes())["identity"]
    except (OSError, ValueError, KeyError):
        return None


def schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the learning rate at a step: up over the warm-up, then down along half a cosine to a twentieth."""
    return min(1.0, (step + 1) / max(1, warmup)) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
