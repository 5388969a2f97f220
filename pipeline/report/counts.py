"""Distributions: what the stages tell of their rows, counted apart for samples that were kept and for those thrown away."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.schema import part_of
from manifests.stage import Fact, Stage
from pipeline.commit import read_table, table_name
from pipeline.report.folder import PASSED, Folder

WORDS, CELLS = 11, 24  # words shown; cells along the sides of the unit square
_GROUPS = {"kept": "kept", PASSED: "kept", "rejected": "lost", "failed": "lost"}


def distributions(folder: Folder) -> list[dict]:
    """Every fact of every stage that has some: stage, name, unit, kind (words, numbers, places) and the counts of both groups."""
    columns = (folder.verdicts[name].to_pylist() for name in ("sample_id", "outcome"))
    group_of = {sample_id: _GROUPS[outcome] for sample_id, outcome in zip(*columns, strict=True) if outcome in _GROUPS}
    return [fact for stage in folder.chain if stage.told for fact in _of_stage(folder, stage, group_of)]


def _of_stage(folder: Folder, stage: type[Stage], group_of: dict[str, str]) -> list[dict]:
    teller, tallies = stage(folder.pipeline.configs[stage.name]), dict[str, _Tally]()
    for unit in folder.units[stage.name]:
        table = read_table(folder.store, table_name(stage.name, unit), part_of(stage.writes, ["sample_id", *stage.told]))
        groups = [group_of.get(sample_id) for sample_id in table["sample_id"].to_pylist()]
        for group in ("kept", "lost"):
            rows = table.filter(pa.array([mine == group for mine in groups], pa.bool_()))
            for fact in teller.facts(rows) if len(rows) else []:
                tallies.setdefault(fact.name, _Tally(fact)).add(group, fact)
    return [{"stage": stage.name, **tally.told()} for tally in tallies.values()]


class _Tally:
    """Counts of one fact over all units, by group."""

    def __init__(self, fact: Fact):
        self._about = fact
        self._kind = "words" if not isinstance(fact.values, np.ndarray) else "places" if fact.values.ndim == 3 else "numbers"
        size = {"numbers": fact.bins, "places": CELLS * CELLS, "words": 0}[self._kind]
        self._counts = {group: np.zeros(size, np.int64) for group in ("kept", "lost")}
        self._words: dict[str, Counter] = {group: Counter() for group in ("kept", "lost")}

    def add(self, group: str, fact: Fact) -> None:
        if self._kind == "words":
            self._words[group].update(fact.values)
        else:
            self._counts[group] += counted(fact)

    def told(self) -> dict[str, Any]:
        about = {"name": self._about.name, "about": self._about.about, "unit": self._about.unit, "kind": self._kind}
        if self._kind != "words":
            return {**about, "bounds": self._about.bounds, **{group: counts.tolist() for group, counts in self._counts.items()}}
        total = sum(self._words.values(), Counter())
        words = sorted(total, key=lambda word: (-total[word], word))[:WORDS]
        rest = {group: counts.total() - sum(counts[word] for word in words) for group, counts in self._words.items()}
        counts = {group: [*(counts[word] for word in words), rest[group]] for group, counts in self._words.items()}
        return {**about, "words": [*words, "others"], **counts}


def counted(fact: Fact) -> np.ndarray:
    """How many of the numbers lie in each bin, or of the places in each cell, row by row; places outside the square are left out."""
    values = np.asarray(fact.values, np.float64)
    if values.ndim == 3:
        cells = np.floor(values.reshape(-1, 2) * CELLS).astype(np.int64)
        inside = cells[((cells >= 0) & (cells < CELLS)).all(1)]
        return np.bincount(inside[:, 1] * CELLS + inside[:, 0], minlength=CELLS * CELLS)
    low, high = fact.bounds
    # Not np.histogram: what lies on an edge belongs to the upper bin, whatever the rounding of the edges.
    at = np.floor((values[~np.isnan(values)] - low) / (high - low) * fact.bins).astype(np.int64)
    return np.bincount(np.clip(at, 0, fact.bins - 1), minlength=fact.bins)
