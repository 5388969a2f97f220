"""Shuffled epochs without end: which rows a step takes follows from the step alone."""

from functools import lru_cache

import numpy as np

from manifests.randomness import generator


def rows_of_step(count: int, batch: int, step: int, seed: int, name: str) -> list[int]:
    """The `batch` rows of a step: each of `count` comes once before any comes again. `name` tells trainings of one seed apart."""
    places = (divmod(place, count) for place in range(step * batch, (step + 1) * batch))
    return [int(_order(count, epoch, seed, name)[within]) for epoch, within in places]


@lru_cache(3)  # a batch may be longer than an epoch, but seldom
def _order(count: int, epoch: int, seed: int, name: str) -> np.ndarray:
    return generator(seed, f"epoch-{epoch}", name).permutation(count)
