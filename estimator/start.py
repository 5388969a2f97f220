"""Weights that a training goes on from, in place of random ones."""

from pathlib import Path

from torch import Tensor

from estimator.calibration import CALIBRATION, NEUTRAL
from estimator.models import load_model
from estimator.skeleton import Skeleton
from estimator.state import BUNDLED, MODEL, finished
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.tensorfile import weights_digest

_SAME = ("model", "width", "groups", "without")  # decide which numbers there are


def start_digest(config: Estimator) -> str:
    """What a training's identity says of the weights that it starts from; empty for random ones."""
    return weights_digest(_file(config)) if config.start else ""


def starting_weights(config: Estimator, skeleton: Skeleton) -> dict[str, Tensor]:
    """The weights of a finished training, its confidence as it was before it was calibrated: that is done anew at the end of this one.

    Raises UserError where there is none, and for those of another model or size."""
    net, was = load_model(_file(config), skeleton)
    for name in _SAME:
        if getattr(was, name) != getattr(config, name):
            raise UserError(f"estimator.start: {config.start} has {name} {getattr(was, name)}, the recipe {getattr(config, name)}")
    return {n: value.new_tensor(NEUTRAL) if n.endswith(CALIBRATION) else value for n, value in net.state_dict().items()}


def _file(config: Estimator) -> Path:
    folder = BUNDLED if config.start == "bundled" else Path(config.start)
    if finished(folder) is None:
        raise UserError(f"estimator.start: {config.start}: no finished training there")
    return folder / MODEL
