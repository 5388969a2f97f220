"""Overhead of the frame: 300 partitions of a stage that computes for 100 ms, against a bare loop that writes and fsyncs
the same parquet. Both start from nothing, worker start-up included. `make bench-run`; the last line is JSON.
"""

import json
import os
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.recipe import check_recipe
from manifests.schema import REASON, SAMPLE_ID
from manifests.stage import Config, Context, Stage
from pipeline.commit import UnitSink
from pipeline.plan import Pipeline
from pipeline.run import run
from pipeline.store import Store
from pipeline.tables import Inputs

PARTITIONS, ROWS, BUSY_S = 300, 8, 0.1
SPECS = ("tests.bench_run:Busy",)


class Busy(Stage):
    """Computes for 100 ms a partition and returns 16 KB a row."""

    name = "poses"
    version = 1
    config = ("poses",)
    writes = pa.schema([SAMPLE_ID, pa.field("blob", pa.binary(), nullable=False), REASON])

    def process(self, table, ctx):
        until = time.perf_counter() + BUSY_S
        while time.perf_counter() < until:
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
    for partition in pipeline.base_partitions()[part]:
        with open(folder / f"{partition.name}.parquet", "wb") as file:
            pq.write_table(stage.process(partition.rows(), ctx), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())


def seconds(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as temp:
        bare, half = Path(temp, "bare"), PARTITIONS // 2
        bare.mkdir()
        # Half of the loop before the frame and half after it, so that a machine that warms up or tires favours neither.
        in_loop = seconds(lambda: bare_loop(bare, slice(0, half)))
        in_frame = seconds(lambda: run(recipe(1), str(Path(temp, "frame")), SPECS, quiet=True))
        in_loop += seconds(lambda: bare_loop(bare, slice(half, None)))
    print(f"{PARTITIONS} partitions of {BUSY_S * 1e3:.0f} ms: bare loop {in_loop:.2f} s, one worker under the frame {in_frame:.2f} s")
    print(json.dumps({"overhead_local": round(in_frame / in_loop - 1, 4)}))


if __name__ == "__main__":
    main()
