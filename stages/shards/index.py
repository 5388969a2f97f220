"""`dataset.json`: what the dataset holds and where it comes from; the last file to appear, so it vouches for the rest."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.dataset import dataset_json
from manifests.schema import COUNTS, SHARDS
from manifests.stage import Context, Stage


class Index(Stage):
    """Dataset scope: the index of all shards and the verdict on every sample that was ever planned."""

    name = "index"
    version = 1
    scope = "dataset"
    config = ("name", "styles", "poses", "projections", "sketches", "filter", "split", "shards", "body")
    reads = tuple(SHARDS.names)
    writes = COUNTS

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        with ctx.sink.open("verdicts/000000.parquet") as file:
            pq.write_table(ctx.ledger, file, compression="zstd")
        counts = ctx.ledger.group_by(["outcome", "style"], use_threads=False).aggregate([("sample_id", "count")])
        counts = counts.sort_by([("outcome", "ascending"), ("style", "ascending")]).to_pylist()
        rows = [{"outcome": c["outcome"], "style": c["style"], "samples": c["sample_id_count"]} for c in counts]
        made_from = {name: Path(value).name if is_path and value else value for name, value, is_path in self.cfg.fields()}
        with ctx.sink.open("dataset.json") as file:
            file.write(dataset_json(ctx.seed, made_from, table.sort_by("shard").to_pylist(), rows))
        return pa.Table.from_pylist(rows, schema=COUNTS)
