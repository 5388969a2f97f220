"""Training that can be killed at any time: the step alone decides its batch, so a resumed run ends in the same weights."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from estimator.augment import augment
from estimator.baseline import mean_pose
from estimator.data import Sketches, dataset_digest
from estimator.losses import Batch, collate, losses, total
from estimator.pose2pose import Pose2Pose
from estimator.skeleton import Skeleton
from estimator.state import CHECKPOINT, MODEL, finished, publish
from manifests.randomness import generator
from manifests.recipe import Estimator
from stages.body.model import load_body
from stages.training import State, interruptible

# Change it when the same recipe would train to other weights.
VERSION = 2
# Sums depend on the number of threads, so it does not follow the machine.
THREADS = 2
LOG_EVERY, WARMUP, EMA = 50, 50, 0.99


def train(dataset: Path, out: Path, config: Estimator, seed: int, body: Path | None, log: Callable[[str], None] = print) -> Path:
    """Train a Pose2Pose on the train split for `config.steps` steps and return `<out>/model.safetensors`.

    A finished training is left alone, an unfinished one goes on from its last checkpoint. Other data, recipe or body start over.
    """
    skeleton = Skeleton(load_body(body))
    identity = {
        "version": VERSION,
        "config": config.model_dump(mode="json", exclude={"checkpoint_every"}),
        "seed": seed,
        "dataset": dataset_digest(dataset),
        "body": skeleton.digest(),
    }
    if finished(out) == identity:
        log(f"{out / MODEL}: trained already, nothing to do")
        return out / MODEL
    out.mkdir(parents=True, exist_ok=True)
    with interruptible(), fixed_threads():
        _Training(Sketches(dataset, "train", config.size), skeleton, out, config, identity, log).run()
    return out / MODEL


class _Training:
    def __init__(self, sketches: Sketches, skeleton: Skeleton, out: Path, config: Estimator, identity: dict, log: Callable[[str], None]):
        self.sketches, self.out, self.config, self.seed, self.log = sketches, out, config, identity["seed"], log
        self.device = default_device()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = Pose2Pose(config.width, skeleton, torch.from_numpy(mean_pose(sketches).pose))
        self.state = State(net.to(self.device), out / CHECKPOINT, identity, EMA)

    def run(self) -> None:
        """From the last checkpoint to the finished model."""
        self.saved = first = self._first_step()
        started = time.monotonic()
        with SummaryWriter(str(self.out / "tensorboard"), purge_step=first) as board:
            try:
                for step in range(first, self.config.steps):
                    terms = self._step(step)
                    if (step + 1) % LOG_EVERY == 0 or step + 1 in (1, self.config.steps):
                        self._report(step + 1, terms, (step + 1 - first) / (time.monotonic() - started), board)
                    if (step + 1) % self.config.checkpoint_every == 0:
                        self.state.save(step + 1)
                        self.saved = step + 1
            except BaseException as e:
                if not isinstance(e, Exception):  # a signal
                    self.log(f"stopped; the next call goes on after step {self.saved} of {self.config.steps}")
                raise
        publish(self.state, self.out)

    def _first_step(self) -> int:
        words, changed = self.state.restore()
        step = words.get("step", 0)
        if changed:
            self.log(f"starting over: since the checkpoint, {', '.join(changed)} changed")
        if step:
            self.log(f"going on after step {step} of {self.config.steps}")
        return step

    def _step(self, step: int) -> dict[str, Tensor]:
        batch = self._batch(step)
        terms = losses(self.state.net(batch.images), batch)
        self.state.update(total(terms), step, self.config.lr * schedule(step, self.config.steps))
        return {name: term.detach() for name, term in terms.items()}

    def _batch(self, step: int) -> Batch:
        rng = generator(self.seed, f"step-{step}", "estimator")
        count = len(self.sketches)
        chosen = rng.choice(count, self.config.batch, replace=count < self.config.batch)
        return collate([augment(self.sketches[int(index)], rng) for index in chosen], self.device)

    def _report(self, step: int, terms: dict[str, Tensor], pace: float, board: SummaryWriter) -> None:
        values = {"total": total(terms).item(), **{name: term.item() for name, term in terms.items()}}
        for name, value in values.items():
            board.add_scalar(f"loss/{name}", value, step)
        words = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
        self.log(f"step {step}/{self.config.steps}  {words}  {pace:.1f} steps/s")


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate at a step: up over the first 50, down along half a cosine."""
    return min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def default_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def fixed_threads() -> Iterator[None]:
    """The same number of threads on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)
