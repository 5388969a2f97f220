"""The parts of Sketch2PoseNet that are not trained on sketches, loaded."""

from typing import NamedTuple

import torch

from estimator.features import Generator
from estimator.footing import footing
from estimator.guide import Guide, load_guide
from estimator.pose_codes import PoseCodes
from estimator.train_codes import load_codes
from manifests.recipe import Estimator


class Frozen(NamedTuple):
    """The generator's networks, what guides them, and the codes that poses are written in."""

    guide: Guide
    generator: Generator
    codes: PoseCodes


def load_frozen(config: Estimator, device: torch.device) -> Frozen:
    """The parts that a config names. Raises UserError where one is missing or of another kind."""
    places = footing(config)
    generator = Generator(places["generator"], str(device))
    return Frozen(load_guide(places["detector"], device), generator, load_codes(places["codes"]).to(device))
