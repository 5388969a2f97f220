"""The training of an estimator on the shards of a run, alone or as one of many ranks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from estimator.baseline import mean_pose
from estimator.batch import Batch
from estimator.calibration import CALIBRATION, calibrated
from estimator.data import Sketches, dataset_digest
from estimator.footing import LIFTER, SKETCH2POSE, digests, footing
from estimator.losses.criterion import Criterion, weights_of
from estimator.mixed import set_dtype
from estimator.models import build
from estimator.skeleton import Skeleton
from estimator.start import start_digest, starting_weights
from estimator.state import MODEL, WORDS, finished, keep, publish
from estimator.steps import Steps, held_out
from estimator.train_codes import load_codes
from manifests.dataset import Dataset
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.body.model import load_body
from stages.loop import CHECKPOINT, Course, Job, Log, falling, train_job
from stages.ranks import Ranks, default_device, joined
from stages.training import State

# Change one when the same recipe would train to other weights.
VERSIONS = {"pose2pose": 5, LIFTER: 2, SKETCH2POSE: 6, "global": 5}
# Sums depend on the number of threads, so it does not follow the machine.
THREADS = 2
REPORT_EVERY, WARMUP = 50, 50
# What leaves the weights as they are.
_OF_THE_RUN = {"checkpoint_every", "workers", "start"}  # of the last, the weights count and not where they lie


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
    with fixed_threads(), joined() as ranks:
        check_shares(config, ranks.size)
        sketches = Sketches(dataset, "train", config.size, config.styles, config.samples)
        codes = load_codes(footing(config)["codes"]) if config.model == SKETCH2POSE else None
        criterion = Criterion(identity["losses"], skeleton, model, codes)
        train_job(EstimatorJob(sketches, criterion, config, identity, ranks), out, config.workers, log)
    return out / MODEL


def identity_of(dataset: Path, config: Estimator, seed: int, skeleton: Skeleton) -> dict[str, Any]:
    """What decides the weights. Raises UserError for a loss, a dataset or a frozen part that there is not."""
    return {
        "version": VERSIONS.get(config.model),
        "config": config.model_dump(mode="json", exclude=_OF_THE_RUN),
        "losses": weights_of(config),
        "seed": seed,
        "dataset": dataset_digest(dataset),
        "generators": list(Dataset(dataset).index.generators),
        "body": skeleton.digest(),
        "frozen": digests(config),
        "start": start_digest(config),
    }


def check_shares(config: Estimator, ranks: int) -> None:
    """Raises UserError for a batch that so many ranks cannot share."""
    if config.batch % ranks:
        raise UserError(f"estimator.batch: {config.batch} samples cannot be shared by {ranks} ranks")


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

    def batches(self) -> Steps:
        """This rank's share of each."""
        return Steps(self.sketches, self.config, self.identity["seed"], self.ranks, self.identity["start"])

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Those that the recipe names, before their weights."""
        told = (batch.placed,) if self.config.model == LIFTER else ()
        return self.criterion(self._model(batch.pixels, *told), batch)

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
        publish(folder, weights, self.identity)
        return {}

    def conclude(self, folder: Path, told: dict) -> None:
        """The words beside the model say it."""


@contextmanager
def fixed_threads() -> Iterator[None]:
    """The same number of threads on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)
