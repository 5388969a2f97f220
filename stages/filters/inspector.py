"""The detector, and the checks that need it: what they say of pictures."""

import numpy as np
import torch

from manifests.recipe import Filter
from stages.detector.detect import load_detector
from stages.filters.calibration import read_calibration
from stages.filters.checks import judge
from stages.filters.look import looks_of


class Inspector:
    """A recipe's detector and thresholds, loaded once; torch keeps to one thread."""

    def __init__(self, config: Filter, device: str):
        torch.set_num_threads(1)
        self.config = config
        self.detector = load_detector(config.detector, device, dtype=getattr(torch, config.dtype))
        self.calibration = read_calibration(config.calibration, config.detector)

    def verdicts(self, pictures: list[np.ndarray], rows: list[dict]) -> list[tuple[str, dict[str, float]]]:
        """(reason, empty where it passes; scores by name) of each picture; rows hold what looks_of wants."""
        looks = looks_of(pictures, rows, self.detector.detect(pictures))
        return [judge(look, self.config, self.calibration) for look in looks]
