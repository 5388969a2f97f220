"""The training of an estimator on the shards of a run: what decides its weights, and that it is done once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from estimator.data import Sketches
from estimator.footing import LIFTER, SKETCH2POSE, digests, footing
from estimator.job import EstimatorJob, LifterJob, tidy
from estimator.losses.criterion import Criterion, weights_of
from estimator.models import VERSIONS
from estimator.skeleton import Skeleton
from estimator.start import start_digest
from estimator.state import MODEL, finished
from estimator.train_codes import load_codes
from manifests.dataset import Dataset
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.body.model import load_body
from stages.loop import Log, train_job
from stages.ranks import joined

# Sums depend on the number of threads, so it does not follow the machine.
THREADS = 2
# What leaves the weights as they are.
_OF_THE_RUN = {"checkpoint_every", "workers"}
_PLACES = {"start", "generator", "detector", "codes"}  # their weights count, by digests, and not where they lie


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
        tidy(out, identity)
        return out / MODEL
    with fixed_threads(), joined() as ranks:
        check_shares(config, ranks.size)
        sketches = Sketches(dataset, "train", config.size, config.styles, config.samples)
        codes = load_codes(footing(config)["codes"]) if config.model == SKETCH2POSE else None
        criterion = Criterion(identity["losses"], skeleton, model, codes)
        kind = LifterJob if config.model == LIFTER else EstimatorJob
        train_job(kind(sketches, criterion, config, identity, ranks), out, config.workers, log)
    return out / MODEL


def identity_of(dataset: Path, config: Estimator, seed: int, skeleton: Skeleton) -> dict[str, Any]:
    """What decides the weights. Raises UserError for a loss, a dataset or a frozen part that there is not."""
    data = Dataset(dataset)
    return {
        "version": VERSIONS.get(config.model),
        "config": config.model_dump(mode="json", exclude=_OF_THE_RUN | _PLACES),
        "losses": weights_of(config),
        "seed": seed,
        "dataset": data.digest,  # of its index, which holds that of every shard
        "generators": list(data.index.generators),
        "body": skeleton.digest(),
        "frozen": digests(config),
        "start": start_digest(config),
    }


def check_shares(config: Estimator, ranks: int) -> None:
    """Raises UserError for a batch that so many ranks cannot share."""
    if config.batch % ranks:
        raise UserError(f"estimator.batch: {config.batch} samples cannot be shared by {ranks} ranks")


@contextmanager
def fixed_threads() -> Iterator[None]:
    """The same number of threads on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)
