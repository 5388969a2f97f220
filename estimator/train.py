"""Training that can be killed at any time: the step alone decides its batch, so a resumed run ends in the same weights."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from estimator.baseline import mean_pose
from estimator.batch import Batch
from estimator.calibration import CALIBRATION, calibrated
from estimator.data import Sketches, dataset_digest
from estimator.footing import digests
from estimator.losses.criterion import Criterion, weights_of
from estimator.mixed import set_dtype
from estimator.models import build, default_device
from estimator.ranks import Ranks, joined
from estimator.skeleton import Skeleton
from estimator.start import start_digest, starting_weights
from estimator.state import CHECKPOINT, MODEL, WORDS, finished, keep, publish
from estimator.steps import Steps, held_out
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.body.model import load_body
from stages.training import State, alone_in, interruptible

# Change it when the same recipe would train to other weights.
VERSION = 4
# Sums depend on the number of threads, so it does not follow the machine.
THREADS = 2
LOG_EVERY, WARMUP = 50, 50
# What leaves the weights as they are.
_OF_THE_RUN = {"checkpoint_every", "workers", "start"}  # of the last, the weights count and not where they lie

Log = Callable[[str], None]


def train(dataset: Path, out: Path, config: Estimator, seed: int, body: Path | None, log: Log = print) -> Path:
    """Train the config's model on the train split for `config.steps` steps and return `<out>/model.safetensors`.

    A finished training is left alone, an unfinished one goes on from its last checkpoint. Other data, recipe or body start over; what
    was there of the other training is kept in `<out>/earlier-1` and so on.
    """
    model = load_body(body)
    skeleton = Skeleton(model)
    identity = identity_of(dataset, config, seed, skeleton)
    if finished(out) == identity:
        log(f"{out / MODEL}: trained already, nothing to do")
        return out / MODEL
    with interruptible(), fixed_threads(), joined() as ranks, alone_in(out) if ranks.first else nullcontext():
        check_shares(config, ranks.size)
        sketches, criterion = (
            Sketches(dataset, "train", config.size, config.styles, config.samples),
            Criterion(identity["losses"], skeleton, model),
        )
        _Training(sketches, criterion, out, config, identity, ranks, log if ranks.first else _silent).run()
    return out / MODEL


def identity_of(dataset: Path, config: Estimator, seed: int, skeleton: Skeleton) -> dict[str, Any]:
    """What decides the weights. Raises UserError for a loss, a dataset or a frozen part that there is not."""
    return {
        "version": VERSION,
        "config": config.model_dump(mode="json", exclude=_OF_THE_RUN),
        "losses": weights_of(config.losses, config.weights),
        "seed": seed,
        "dataset": dataset_digest(dataset),
        "body": skeleton.digest(),
        "frozen": digests(config),
        "start": start_digest(config),
    }


def check_shares(config: Estimator, ranks: int) -> None:
    """Raises UserError for a batch that so many ranks cannot share."""
    if config.batch % ranks:
        raise UserError(f"estimator.batch: {config.batch} samples cannot be shared by {ranks} ranks")


class _Training:
    def __init__(self, sketches: Sketches, criterion: Criterion, out: Path, config: Estimator, identity: dict, ranks: Ranks, log: Log):
        self.sketches, self.out, self.config, self.ranks, self.log = sketches, out, config, ranks, log
        self.device = default_device()
        self.steps = Steps(sketches, config, identity["seed"], ranks)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(identity["seed"])
            net = build(config, criterion.skeleton, torch.from_numpy(mean_pose(sketches).pose))
        if config.start:
            net.load_state_dict(starting_weights(config, criterion.skeleton))
        set_dtype(net, getattr(torch, config.dtype))
        self.criterion = criterion.to(self.device)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.state = State(net.to(self.device), out / CHECKPOINT, identity, config.ema)
        self.model = ranks.wrap(self.state.net)

    def run(self) -> None:
        """From the last checkpoint to the finished model."""
        self.saved = first = self._first_step()
        with _board(self.out, first, self.ranks) as board:
            try:
                self._run(first, board)
            except BaseException as e:
                if not isinstance(e, Exception):  # a signal
                    self.log(f"stopped; the next call goes on after step {self.saved} of {self.config.steps}")
                raise
        if self.ranks.first:
            self._calibrate()
            if finished(self.out):
                self.log(f"the model that was here is kept in {keep(self.out, (MODEL, WORDS))}")
            publish(self.state, self.out)
        self.ranks.wait()

    def _run(self, first: int, board: SummaryWriter | None) -> None:
        started, last = time.monotonic(), self.config.steps
        for step, batch in self.steps.stream(first, last, self.config.workers):
            terms = self._step(step, batch.to(self.device))
            if (step + 1) % LOG_EVERY == 0 or step + 1 in (1, last):
                self._report(step + 1, terms, (step + 1 - first) / (time.monotonic() - started), board)
            if (step + 1) % self.config.checkpoint_every == 0:
                if self.ranks.first:
                    self.state.save(step + 1)
                self.ranks.wait()
                self.saved = step + 1

    def _first_step(self) -> int:
        words, changed = self.state.restore()
        step = words.get("step", 0)
        if changed:
            self.ranks.wait()  # until all have seen it
            kept = f"; it is kept in {keep(self.out, (CHECKPOINT,))}" if self.ranks.first else ""
            self.log(f"starting over: since the checkpoint, {', '.join(changed)} changed{kept}")
        if step:
            self.log(f"going on after step {step} of {self.config.steps}")
        return step

    def _step(self, step: int, batch: Batch) -> dict[str, Tensor]:
        terms = self.criterion(self.model(batch.images), batch)
        self.state.update(self.criterion.total(terms), step, self.config.lr * schedule(step, self.config.steps))
        return {name: term.detach() for name, term in terms.items()}

    def _calibrate(self) -> None:
        """The log odds of the confidence, set on drawings that were not learned from."""
        held = [self.sketches[number] for number in held_out(len(self.sketches))]
        with self.state.averaged():
            set_dtype(self.state.net, torch.float32)
            found = calibrated(self.state.net, held, self.config.batch)
        for name, value in self.state.average.items():
            if name.endswith(CALIBRATION):
                value.copy_(found)

    def _report(self, step: int, terms: dict[str, Tensor], pace: float, board: SummaryWriter | None) -> None:
        told = self.ranks.mean(torch.stack([self.criterion.total(terms), *terms.values()]))
        values = dict(zip(("total", *terms), told.tolist(), strict=True))
        for name, value in values.items():
            if board:
                board.add_scalar(f"loss/{name}", value, step)
        words = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
        self.log(f"step {step}/{self.config.steps}  {words}  {pace:.1f} steps/s")


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate at a step: up over the first 50, down along half a cosine."""
    return min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))


@contextmanager
def fixed_threads() -> Iterator[None]:
    """The same number of threads on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _board(out: Path, first: int, ranks: Ranks) -> Iterator[SummaryWriter | None]:
    if not ranks.first:
        yield None
        return
    with SummaryWriter(str(out / "tensorboard"), purge_step=first) as board:
        yield board


def _silent(_: str) -> None:
    pass
