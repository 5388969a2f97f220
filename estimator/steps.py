"""The batches of a training: the step alone decides what is in them, whoever asks, however often."""

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
    """Batch number `step` of a training, or this rank's share of it. start: a training that goes on from other weights sees other
    batches than the one that made them."""

    def __init__(self, sketches: Sketches, config: Estimator, seed: int, ranks: Ranks, start: str = ""):
        self.sketches, self.batch, self.seed, self.ranks = sketches, config.batch, seed, ranks
        self.name = f"{start[:16]}-step" if start else "step"
        self.numbers = learned_from(len(sketches))

    def __getitem__(self, step: int) -> Batch:
        count = len(self.numbers)
        rng = generator(self.seed, f"{self.name}-{step}", "estimator")
        chosen = rng.choice(count, self.batch, replace=count < self.batch)
        mine = range(self.batch)[self.ranks.rank :: self.ranks.size]
        return collate([self._augmented(step, slot, self.numbers[int(chosen[slot])]) for slot in mine])

    def _augmented(self, step: int, slot: int, number: int):
        return augment(self.sketches[number], generator(self.seed, f"{self.name}-{step}-{slot}", "augment"))


def held_out(count: int) -> range:
    """Numbers of the samples of a split of `count` that are kept for calibration; none of a handful."""
    return range(HELD - 1, count, HELD)


def learned_from(count: int) -> list[int]:
    """Numbers of the others."""
    kept = held_out(count)
    return [number for number in range(count) if number not in kept]
