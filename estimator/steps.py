"""The batches of a training: the step alone decides what is in them, whoever asks, however often."""

import numpy as np
from torch.utils import data

from estimator.augment import augment
from estimator.batch import Batch, collate
from estimator.data import Sketches
from manifests.randomness import generator
from manifests.recipe import Estimator
from stages.ranks import Ranks

# One sample in so many is not learned from: the confidence is calibrated on these.
HELD = 32


class Steps(data.Dataset[Batch]):
    """Batch number `step` of a training, or this rank's share of it. start: digest of the weights that it goes on from, if any."""

    def __init__(self, sketches: Sketches, config: Estimator, seed: int, ranks: Ranks, start: str = ""):
        self.sketches, self.batch, self.seed, self.ranks = sketches, config.batch, seed, ranks
        self.name = stream_name("step", start)
        self.numbers = learned_from(len(sketches))

    def __getitem__(self, step: int) -> Batch:
        chosen = chosen_of(len(self.numbers), self.batch, self.seed, f"{self.name}-{step}")
        mine = range(self.batch)[self.ranks.rank :: self.ranks.size]
        return collate([self._augmented(step, slot, self.numbers[int(chosen[slot])]) for slot in mine])

    def _augmented(self, step: int, slot: int, number: int):
        return augment(self.sketches[number], generator(self.seed, f"{self.name}-{step}-{slot}", "augment"))


def stream_name(kind: str, start: str) -> str:
    """Of random numbers: a training that goes on from other weights, of the digest `start`, draws others than the one that made them."""
    return f"{start[:16]}-{kind}" if start else kind


def chosen_of(count: int, batch: int, seed: int, name: str) -> np.ndarray:
    """The rows (batch,) of `count` that a step learns from; each once where there are enough."""
    return generator(seed, name, "estimator").choice(count, batch, replace=count < batch)


def held_out(count: int) -> range:
    """Numbers of the samples of a split of `count` that are kept for calibration; none of a handful."""
    return range(HELD - 1, count, HELD)


def learned_from(count: int) -> list[int]:
    """Numbers of the others."""
    kept = held_out(count)
    return [number for number in range(count) if number not in kept]
