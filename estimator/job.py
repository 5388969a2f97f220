"""How an estimator learns, a step at a time, alone or as one of many ranks."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils import data

from estimator.baseline import mean_pose
from estimator.batch import Batch
from estimator.calibration import CALIBRATION, calibrated
from estimator.data import Sketches
from estimator.footing import given
from estimator.losses.criterion import Criterion
from estimator.mixed import set_dtype
from estimator.models import build
from estimator.readings import Reader, Reading, Readings, Views, forget
from estimator.start import starting_weights
from estimator.state import MODEL, WORDS, finished, keep, publish
from estimator.steps import Steps, held_out
from manifests.recipe import Estimator
from stages.loop import CHECKPOINT, Course, Job, Log, falling
from stages.ranks import Ranks, default_device
from stages.tensorfile import words_in
from stages.training import State

REPORT_EVERY, WARMUP = 50, 50
READINGS = "readings"
_READ_IN = ("size", "styles", "samples", "dtype")  # of a recipe: what decides what a detector reads


class EstimatorJob(Job):
    """The training of a model, or one rank's share of it."""

    def __init__(self, sketches: Sketches, criterion: Criterion, config: Estimator, identity: dict, ranks: Ranks):
        self.name, self.config, self.identity, self.ranks, self.device = config.model, config, identity, ranks, default_device()
        self.course = Course(config.steps, config.batch, config.ema, report_every=REPORT_EVERY, checkpoint_every=config.checkpoint_every)
        self.sketches, self.criterion = sketches, criterion.to(self.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(identity["seed"])
            net = build(config, criterion.skeleton, torch.from_numpy(mean_pose(sketches).pose))
        if config.start:
            net.load_state_dict(starting_weights(config, criterion.skeleton))
        set_dtype(net, getattr(torch, config.dtype))
        self._net = net.to(memory_format=torch.channels_last).to(self.device)  # type: ignore[call-overload]
        self._model = ranks.wrap(self._net)

    def net(self) -> nn.Module:
        """The model."""
        return self._net

    def batches(self) -> data.Dataset:
        """This rank's share of each."""
        return Steps(self.sketches, self.config, self.identity["seed"], self.ranks, self.identity["start"])

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Those that the recipe names, before their weights."""
        return self.criterion(self._model(batch.pixels), batch)

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum."""
        return self.criterion.total(terms)

    def rate(self, step: int) -> float:
        """Down to nothing."""
        return self.config.lr * falling(step, self.config.steps, WARMUP, 0)

    def finished(self, folder: Path) -> dict | None:
        """As the words beside a model tell."""
        return finished(folder)

    def begin(self, folder: Path, state: State, log: Log) -> dict:
        """Load the checkpoint; one of another training is put aside, since the folder follows from the run."""
        words, changed = state.restore()
        if changed:
            self.ranks.wait()  # until all have seen it
            kept = f"; it is kept in {keep(folder, (CHECKPOINT,))}" if self.ranks.first else ""
            log(f"starting over: since the checkpoint, {', '.join(changed)} changed{kept}")
        if self.finished(folder):
            log(f"{folder / MODEL}: of another training; it stays until this one is done, and is kept beside it then")
        return words

    def publish(self, folder: Path) -> dict[str, float]:
        """The weights, calibrated: the log odds of the confidence are set on drawings that were not learned from."""
        held = [self.sketches[number] for number in held_out(len(self.sketches))]
        set_dtype(self._net, torch.float32)
        found = calibrated(self._net, held, self.config.batch)
        weights = {name: found if name.endswith(CALIBRATION) else value for name, value in self._net.state_dict().items()}
        if self.finished(folder):
            keep(folder, (MODEL, WORDS))
        publish(folder, weights, self.identity, given(self.config))
        return {}

    def conclude(self, folder: Path, told: dict) -> None:
        """The words beside the model say it."""


class LifterJob(EstimatorJob):
    """A lifter learns from readings of its detector, which are taken first."""

    def begin(self, folder: Path, state: State, log: Log) -> dict:
        """Besides: know where the readings lie."""
        self._folder, self._log = folder / READINGS, log
        return super().begin(folder, state, log)

    def batches(self) -> data.Dataset:
        """This rank's share of each, of what was read before or is read now."""
        seed, start = self.identity["seed"], self.identity["start"]
        words = {name: self.identity[name] for name in ("version", "dataset", "frozen")}
        words |= {name: self.identity["config"][name] for name in _READ_IN}
        views = Views(self.sketches, self.config, seed, start)
        reader = Reader(views, self._net.read, self._folder, words, self.device, self.config.workers, self._log)
        return Readings(reader.read(self.ranks), self.config, seed, self.ranks, start)

    def losses(self, batch: Reading, step: int) -> dict[str, Tensor]:  # type: ignore[override]
        """Of the figure that is concluded from what was read."""
        return self.criterion(self._model(batch.truth.images, told=batch.told), batch.truth)

    def conclude(self, folder: Path, told: dict) -> None:
        """Besides: the readings are of no more use."""
        forget(self._folder)


def tidy(folder: Path, identity: dict) -> None:
    """Take away what a training needs no more once it is published; a kill may have left it. Another training's stays."""
    if (words_in(folder / CHECKPOINT) or {}).get("identity") == identity:
        forget(folder / READINGS)
        (folder / CHECKPOINT).unlink(missing_ok=True)
