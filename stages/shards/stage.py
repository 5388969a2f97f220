"""One tar a unit, readable by `webdataset` and by plain `tarfile`, the same bytes for the same rows."""

import io
import tarfile

import pyarrow as pa

from manifests import schema
from manifests.sample import encode_sample
from manifests.stage import Context, Stage


class Shards(Stage):
    """Writes `<split>-<6 digits>.tar` into the dataset folder; its table says what is in it."""

    name = "shards"
    version = 1
    config = ()
    reads = tuple(
        name
        for table in (schema.POSES, schema.PROJECTIONS, schema.SKETCHES, schema.FILTER)
        for name in table.names
        if name not in ("sample_id", "reason", "pose_world")
    )
    writes = schema.SHARDS

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        name = f"{ctx.unit}.tar"
        with ctx.sink.open(name) as file, tarfile.open(fileobj=file, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
            for row in schema.rows_of(table):
                add_sample(tar, row)
        row = {"shard": name, "split": ctx.unit.partition("-")[0], "samples": len(table)}
        return pa.Table.from_pylist([{**row, "bytes": file.size, "sha256": file.sha256}], schema=schema.SHARDS)


def add_sample(tar: tarfile.TarFile, row: dict) -> None:
    """The members of one sample, side by side; no owner, no time."""
    for extension, data in encode_sample(row).items():
        member = tarfile.TarInfo(f"{row['sample_id']}.{extension}")
        member.size, member.mtime, member.mode = len(data), 0, 0o644
        tar.addfile(member, io.BytesIO(data))
