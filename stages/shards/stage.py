"""One tar a unit, readable by `webdataset` and by plain `tarfile`, the same bytes for the same rows."""

from collections.abc import Iterable
from typing import BinaryIO

import cv2
import numpy as np
import pyarrow as pa

from manifests import schema
from manifests.sample import encode_sample
from manifests.stage import Context, Stage
from stages.pictures import decoded, jpeg
from stages.shards.tar import write_end, write_member

# Of each shard that many samples, so small, are put by for the preview.
PREVIEWS, SIDE, QUALITY = 24, 160, 78


class Shards(Stage):
    """Writes `<split>-<6 digits>.tar` into the dataset folder; its table says what is in it."""

    name = "shards"
    version = 4
    config = ()
    reads = tuple(
        name
        for table in (schema.POSES, schema.PROJECTIONS, schema.SKETCHES, schema.FILTER)
        for name in table.names
        if name not in ("sample_id", "reason", "pose_world", "image_bytes")
    )
    writes = schema.SHARDS

    def setup(self, device: str) -> None:
        """OpenCV keeps to the one thread that the stage declares."""
        cv2.setNumThreads(1)

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        name = f"{ctx.unit}.tar"
        with ctx.sink.open(name) as file:
            write_shard(file, schema.rows_of(table))
        row = {"shard": name, "split": ctx.unit.partition("-")[0], "samples": len(table), "bytes": file.size, "sha256": file.sha256}
        row["generators"] = sorted(set(table["generator"].to_pylist()))
        row["previews"] = [preview(sample) for sample in schema.rows_of(table.slice(0, PREVIEWS))]
        return pa.Table.from_pylist([row], schema=schema.SHARDS)


def write_shard(file: BinaryIO, rows: Iterable[dict]) -> None:
    """A whole shard of rows that hold the columns of every table: each sample's members side by side."""
    for row in rows:
        for extension, data in encode_sample(row).items():
            write_member(file, f"{row['sample_id']}.{extension}", data)
    write_end(file)


def preview(row: dict) -> dict:
    """A row as schema.PREVIEW has it."""
    image = decoded(row["image"], row["sample_id"])
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    words = {name: row[name] for name in ("sample_id", "style", "split", "motion")}
    joints = (row["joints2d"] / len(image)).astype(np.float32).ravel()
    return {**words, "joints": joints, "visibility": row["visibility"], "jpeg": jpeg(small, QUALITY)}
