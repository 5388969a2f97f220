"""Means of a metric with their bootstrap intervals, and of the differences between methods, sample for sample."""

from typing import Any

import numpy as np

from estimator.metrics import Shares
from manifests.randomness import generator

DRAWS, LEVEL = 1000, 95
Value = dict[str, float | None]


class Resamples:
    """The same draws of N samples with replacement for every metric and method, so that differences are paired."""

    def __init__(self, count: int):
        rng = generator(0, str(count), "bootstrap")
        # How often each sample comes in each draw.
        self.weights = rng.multinomial(count, np.full(count, 1 / count), DRAWS).astype(np.float64)

    def mean(self, values: np.ndarray | Shares) -> Value:
        """Of values (N,), NaN where there is none: {value, low, high} of 95 %."""
        return _told(*self._means(values))

    def difference(self, a: np.ndarray | Shares, b: np.ndarray | Shares) -> Value:
        """The same of how much greater the mean of a is than that of b."""
        (value_a, draws_a), (value_b, draws_b) = self._means(a), self._means(b)
        return _told(value_a - value_b, draws_a - draws_b)

    def _means(self, values: np.ndarray | Shares) -> tuple[Any, np.ndarray]:
        right, of = values if isinstance(values, Shares) else (np.nan_to_num(values), ~np.isnan(values))
        right, of = np.asarray(right, np.float64), np.asarray(of, np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return right.sum() / of.sum(), (self.weights @ right) / (self.weights @ of)


def _told(value: float, draws: np.ndarray) -> Value:
    if np.isnan(value):
        return {"value": None, "low": None, "high": None}
    low, high = np.nanpercentile(draws, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return {name: round(float(x), 4) for name, x in (("value", value), ("low", low), ("high", high))}


def of_rows(values: np.ndarray | Shares, rows: np.ndarray) -> np.ndarray | Shares:
    """The same of some samples."""
    return Shares(values.right[rows], values.of[rows]) if isinstance(values, Shares) else values[rows]
