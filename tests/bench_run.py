"""Overhead of the frame: 300 partitions of a stage that computes 100 ms of processor time, against bare loops that write and fsync the
same parquet: one worker against one loop, and two CPUs of a Ray cluster that is up against two loops. Both start from
nothing, worker start-up included. Then the launcher's own processor time for a partition of four stages, 256 workers
simulated. `make bench-run`; the last line is JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.recipe_files import check_recipe
from manifests.schema import REASON, SAMPLE_ID
from manifests.stage import Config, Context, Stage
from pipeline.commit import UnitSink
from pipeline.executors.choose import Where
from pipeline.executors.cluster import connect
from pipeline.plan import Pipeline
from pipeline.run import run
from pipeline.store import Store
from pipeline.tables import Inputs
from tests.simulated import milliseconds
from tests.timing import seconds

PARTITIONS, ROWS, BUSY_S = 300, 8, 0.1
SCHEDULES = (1_000, 10_000, 100_000)
SPECS = ("tests.bench_run:Busy",)


class Busy(Stage):
    """Computes for 100 ms a partition and returns 16 KB a row."""

    name = "poses"
    version = 1
    config = ("poses",)
    writes = pa.schema([SAMPLE_ID, pa.field("blob", pa.binary(), nullable=False), REASON])

    def process(self, table, ctx):
        until = time.process_time() + BUSY_S  # of this process: what others take from it shows in the wall time
        while time.process_time() < until:
            sum(range(1000))
        ids = table["sample_id"].to_pylist()
        return pa.table([ids, [ctx.rng(i).bytes(16_384) for i in ids], [""] * len(ids)], schema=self.writes)


def recipe(workers: int):
    poses = {"count": ROWS * PARTITIONS, "oversample": 1}
    return check_recipe({"name": "bench", "styles": ["ink"], "partition_size": ROWS, "poses": poses, "run": {"workers": workers}}, "bench")


def bare_loop(folder: Path, part: slice) -> None:
    """What a script without a frame would do, fsync included."""
    pipeline, store = Pipeline(recipe(0), SPECS), Store(str(folder))
    stage = Busy(Config(pipeline.recipe, Busy.config))
    ctx = Context(0, "poses", "", UnitSink(store), "cpu", Inputs(pa.table({})).ledger)
    for partition in islice(pipeline.base_partitions(), part.start, part.stop):
        with open(folder / f"{partition.name}.parquet", "wb") as file:
            pq.write_table(stage.process(partition.rows(), ctx), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())


class BareLoops:
    """Processes that do what they are told, part after part; each starts once, as a worker of the frame does."""

    def __init__(self, folder: Path, count: int):
        command = [sys.executable, "-m", "tests.bench_run", "--bare", str(folder)]
        self._loops = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)]

    def do(self, parts: Sequence[slice]) -> None:
        """A part for each, at the same time."""
        for loop, part in zip(self._loops, parts, strict=True):
            print(part.start, part.stop, file=loop.stdin, flush=True)
        for loop in self._loops:
            assert loop.stdout and loop.stdout.readline()

    def end(self) -> None:
        """Let them go."""
        for loop in self._loops:
            loop.communicate()


def overhead(temp: Path, loops: int, frame: Callable[[str], object]) -> float:
    """Half of the loop before the frame and half after it, so that a machine that warms up or tires favours neither."""
    temp.mkdir()
    step = PARTITIONS // 2 // loops
    parts = [slice(i * step, (i + 1) * step) for i in range(2 * loops)]
    began = time.perf_counter()
    bare = BareLoops(temp, loops)
    bare.do(parts[:loops])
    in_loop = time.perf_counter() - began
    in_frame = seconds(lambda: frame(str(temp / "frame")))
    in_loop += seconds(lambda: bare.do(parts[loops:]))
    bare.end()
    print(f"{PARTITIONS} partitions of {BUSY_S * 1e3:.0f} ms: {loops} bare loop(s) {in_loop:.2f} s, the frame {in_frame:.2f} s", flush=True)
    return round(in_frame / in_loop - 1, 4)


def main() -> None:
    result: dict = {}
    with tempfile.TemporaryDirectory() as temp:
        result["overhead_local"] = overhead(Path(temp, "local"), 1, lambda url: run(recipe(1), url, SPECS, quiet=True))
        result["ray_start_s"] = round(seconds(lambda: connect(None, 2)), 1)
        result["overhead_ray"] = overhead(Path(temp, "ray"), 2, lambda url: run(recipe(2), url, SPECS, quiet=True, where=Where(True)))
    result["driver_ms_per_partition"] = {str(n): round(milliseconds(n), 3) for n in SCHEDULES}
    result["load"] = round(os.getloadavg()[0], 1)
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        for line in sys.stdin:
            bare_loop(Path(sys.argv[2]), slice(*map(int, line.split())))
            print("done", flush=True)
    else:
        main()
