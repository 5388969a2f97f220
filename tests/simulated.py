"""A launcher without workers: units are done at once, in a mixed order, by an executor that only writes their markers.

What remains is the launcher's own work. `cost` counts its processor time and its calls.
"""

import cProfile
import gc
import heapq
import os
import pstats
import random
import tempfile
import time
import tracemalloc
from dataclasses import dataclass, field

import pyarrow as pa

from manifests.recipe_files import check_recipe
from manifests.schema import REASON, SAMPLE_ID
from manifests.stage import Stage
from pipeline.commit import Marker, marker_name
from pipeline.executors import Done
from pipeline.executors.choose import Where
from pipeline.run import run


class First(Stage):
    """Stages of a partition; none of them is ever called."""

    name = "poses"
    version = 1
    config = ("poses", "split")
    writes = pa.schema([SAMPLE_ID, REASON])

    def process(self, table, ctx):
        raise AssertionError("nothing is processed here")


class Second(First):
    name = "projections"
    config = ("projections", "body")


class Third(First):
    name = "sketches"
    config = ("sketches", "body")


class Fourth(First):
    name = "filter"
    config = ("filter",)


SPECS = tuple(f"tests.simulated:{stage}" for stage in ("First", "Second", "Third", "Fourth"))


class SimulatedExecutor:
    """Has `workers` hands, each with one more unit waiting; knows how much processor time it took itself."""

    def __init__(self, store, workers: int):
        self.store, self.slots, self.spent = store, 2 * workers, 0.0
        self._rng, self._now = random.Random(1), 0.0
        self._hand: list = []

    def prepare(self, stage, config) -> None:
        pass

    def submit(self, task) -> None:
        began = time.process_time()
        heapq.heappush(self._hand, (self._now + self._rng.uniform(0.5, 1.5), task.stage, task.name, task))
        self.spent += time.process_time() - began

    def wait(self) -> list[Done]:
        began = time.process_time()
        self._now, *_, task = heapq.heappop(self._hand)
        rows = {"given": 8, "made": 8, "rejected": 0, "failed": 0}
        files = {f"{task.stage}/{task.name}.parquet": {"bytes": 1, "sha256": "0" * 64}}
        marker = Marker(task.stage, task.name, task.fingerprint, task.declared, task.inputs, files, rows, {"device": "cpu", "threads": 1})
        os.makedirs(self.store.path(task.stage), exist_ok=True)  # no pathlib: it has Python remember every name
        with open(self.store.path(marker_name(task.stage, task.name)), "wb") as file:
            file.write(marker.to_bytes())
        self.spent += time.process_time() - began
        return [Done(task, {"stage": task.stage, "unit": task.name, "seconds": 0.1, "lineage": marker.lineage, **rows})]

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Simulated(Where):
    """Where.open gives the executor above, and keeps it."""

    workers: int = 256
    opened: list = field(default_factory=list)

    def open(self, pipeline, store, mark):
        self.opened.append(SimulatedExecutor(store, self.workers))
        return self.opened[-1]


def _schedule(partitions: int, workers: int) -> SimulatedExecutor:
    with tempfile.TemporaryDirectory() as folder:
        return _run_in(folder, partitions, workers)


def _run_in(folder: str, partitions: int, workers: int) -> SimulatedExecutor:
    poses = {"count": 8 * partitions, "oversample": 1}
    recipe = check_recipe({"name": "sim", "styles": ["ink"], "partition_size": 8, "poses": poses, "run": {"workers": 0}}, "sim")
    where = Simulated(workers=workers)
    assert run(recipe, folder, SPECS, quiet=True, where=where).units == len(SPECS) * partitions
    return where.opened[0]


def milliseconds(partitions: int, workers: int = 256) -> float:
    """The launcher's processor time for a partition of four stages."""
    began = time.process_time()
    executor = _schedule(partitions, workers)
    return (time.process_time() - began - executor.spent) * 1000 / partitions


def calls(partitions: int, workers: int = 256) -> float:
    """Calls of functions for a partition of four stages, the executor's among them; no machine's speed changes it."""
    profile = cProfile.Profile()
    profile.runcall(_schedule, partitions, workers)
    return pstats.Stats(profile).total_calls / partitions  # type: ignore[attr-defined]


def peak_bytes(partitions: int) -> int:
    """The most memory that Python holds at a time, with 8 workers."""
    with tempfile.TemporaryDirectory() as folder:
        gc.collect()
        tracemalloc.start(1)
        try:
            _run_in(folder, partitions, 8)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
