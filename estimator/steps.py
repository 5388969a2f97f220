"""The batches of a training: the step alone decides what is in them, whoever asks, however often."""

import numpy as np
import torch
from torch.utils import data

from estimator.augment import augment
from estimator.batch import Batch, collate
from estimator.data import Sketches
from manifests.randomness import generator
from manifests.recipe import Estimator
from manifests.skeleton import JOINTS
from stages.ranks import Ranks

# One sample in so many is not learned from: the confidence is calibrated on these.
HELD = 32
_TOLD = 0.3  # of the sketches


class Steps(data.Dataset[Batch]):
    """Batch number `step` of a training, or this rank's share of it. start: a training that goes on from other weights sees other
    batches than the one that made them."""

    def __init__(self, sketches: Sketches, config: Estimator, seed: int, ranks: Ranks, start: str = ""):
        self.sketches, self.batch, self.seed, self.ranks = sketches, config.batch, seed, ranks
        self.name = f"{start[:16]}-step" if start else "step"
        kept = set(held_out(len(sketches)))
        self.numbers = [number for number in range(len(sketches)) if number not in kept]

    def __getitem__(self, step: int) -> Batch:
        count = len(self.numbers)
        rng = generator(self.seed, f"{self.name}-{step}", "estimator")
        chosen = rng.choice(count, self.batch, replace=count < self.batch)
        mine = range(self.batch)[self.ranks.rank :: self.ranks.size]
        batch = collate([self._augmented(step, slot, self.numbers[int(chosen[slot])]) for slot in mine])
        told = torch.from_numpy(np.stack([self._told(step, slot) for slot in mine]))
        return batch._replace(placed=torch.where(told[..., None], batch.joints2d, torch.nan))

    def _augmented(self, step: int, slot: int, number: int):
        return augment(self.sketches[number], generator(self.seed, f"{self.name}-{step}-{slot}", "augment"))

    def _told(self, step: int, slot: int) -> np.ndarray:
        """Which joints (16,) a user has put in their place beforehand: of most sketches none, of some a few or all."""
        rng = generator(self.seed, f"{self.name}-{step}-{slot}", "told")
        count = rng.integers(1, rng.integers(2, len(JOINTS) + 2)) if rng.random() < _TOLD else 0
        return rng.permutation(len(JOINTS)) < count


def held_out(count: int) -> range:
    """Numbers of the samples of a split of `count` that are kept for calibration; none of a handful."""
    return range(HELD - 1, count, HELD)
