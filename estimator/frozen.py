"""The parts of Sketch2PoseNet that are not trained on sketches, loaded."""

from typing import NamedTuple

import torch

from estimator.features import Generator
from estimator.footing import footing
from estimator.guidance import Guide
from estimator.pose_codes import PoseCodes
from estimator.train_codes import load_codes
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.detector.detect import load_detector
from stages.detector.eyes import OwnEyes


class Frozen(NamedTuple):
    """The generator's networks, what guides them, and the codes that poses are written in."""

    guide: Guide
    generator: Generator
    codes: PoseCodes


def load_frozen(config: Estimator, device: torch.device) -> Frozen:
    """The parts that a config names. Raises UserError where one is missing or of another kind."""
    places = footing(config)
    generator = Generator(places["generator"], str(device))
    detector = load_detector(places["detector"], str(device))
    if not isinstance(detector.eyes, OwnEyes):
        raise UserError(f"{places['detector']}: a detector of another kind; sketch2pose is guided by one of `make train-detector`")
    guide = Guide(detector.finder.net, detector.eyes.net, config.size // generator.stride)
    return Frozen(guide, generator, load_codes(places["codes"]).to(device))
