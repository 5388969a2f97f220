"""`make bench-shards`: the stage that packs shards against a script with `tarfile`, and the reader against plain `webdataset`.

Write: both encode the same rows and fsync; the script has np.savez, json.dumps and tarfile, the stage has seals, sha256, previews,
rename and marker. Read: both decode every sample alike; what differs is reading, with our checks on and off. Each pair is measured
in turn, round after round; the ratio is that of the medians. The last line is JSON.
"""

import io
import json
import os
import statistics
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import webdataset

from estimator.data import SkepDataset
from estimator.sample import decode
from manifests import schema
from manifests.sample import LABELS, encode_sample
from manifests.stage import Config, Context
from pipeline.commit import Marker, UnitSink
from pipeline.store import Store
from pipeline.tables import Inputs
from stages.shards.read import Packed
from stages.shards.stage import Shards
from stages.shards.tar import write_end, write_member
from tests.estimator.figures import stick_row, write_index
from tests.sticks import TABLES, recipe
from tests.timing import seconds

# A shard as the default recipe packs it; fewer samples are read, as decoding takes long.
SAMPLES, READ, ROUNDS, SIDE = 1000, 200, 5, 256


def rows() -> list[dict]:
    """Rows with pictures of the size that the renderer's have, about 85 KB."""
    made = []
    for number in range(SAMPLES):
        noise = np.random.default_rng(number).normal(0, 14, (SIDE, SIDE, 3))
        picture = cv2.GaussianBlur((200 + noise).clip(0, 255).astype(np.uint8), (0, 0), 0.7)
        data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes()
        made.append(stick_row(number, "train") | {"image": data, "image_bytes": len(data), "reason": "", "pose_world": np.zeros((24, 3))})
    return made


def script(path: Path, made: list[dict]) -> None:
    """A shard as a script would write it."""
    with path.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for row in made:
                arrays = io.BytesIO()
                np.savez(arrays, **{name: row[name] for name in LABELS})
                words = {name: value for name, value in row.items() if isinstance(value, str)}
                for kind, data in (("png", row["image"]), ("json", json.dumps(words).encode()), ("npz", arrays.getvalue())):
                    member = tarfile.TarInfo(f"{row['sample_id']}.{kind}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        file.flush()
        os.fsync(file.fileno())


def stage(folder: Path, table: pa.Table) -> None:
    """The same by the stage, committed."""
    sink = UnitSink(Store(str(folder)))
    ctx = Context(0, "shards", "train-000000", sink, "cpu", Inputs(table).ledger)
    sink.add_table("shards/train-000000.parquet", Shards(Config(recipe(), ())).process(table, ctx))
    sink.publish(Marker("shards", "train-000000", "", {}, "", sink.files(), {}, {}))


def plain(path: Path) -> None:
    """Every sample by webdataset, decoded as ours are."""
    for sample in webdataset.WebDataset(str(path), shardshuffle=False):
        decode(Packed(sample["__key__"], "", 0, sample["png"], sample["json"], sample["npz"]))


def ours(folder: Path, check: bool) -> None:
    """Every sample by our reader."""
    for _ in SkepDataset(folder, check=check):
        pass


def medians(**works: Callable[[], None]) -> dict[str, float]:
    """Median seconds of each work; one after the other in each round, the first round only warms up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS + 1):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def main() -> None:
    cv2.setNumThreads(1)
    made = rows()
    columns = pa.schema({f.name: f for table in TABLES for f in table}.values())
    table = schema.to_table(columns, {name: [row[name] for row in made] for name in columns.names})
    table = table.append_column(schema.STYLE, [[row["style"] for row in made]])
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        shard = folder / "train-000000.tar"
        with shard.open("wb") as file:
            for row in made[:READ]:
                for kind, data in encode_sample(row).items():
                    write_member(file, f"{row['sample_id']}.{kind}", data)
            write_end(file)
        write_index(folder, {shard.name: READ})
        wrote = medians(script=lambda: script(folder / "script.tar", made), stage=lambda: stage(folder / "run", table))
        read = medians(plain=lambda: plain(shard), checked=lambda: ours(folder, True), unchecked=lambda: ours(folder, False))
    rates = {name: SAMPLES / value for name, value in wrote.items()} | {name: READ / value for name, value in read.items()}
    print({name: f"{rate:.0f} samples/s" for name, rate in rates.items()})
    result = {"write_ratio": wrote["script"] / wrote["stage"]}
    result |= {f"read_ratio_{name}": read["plain"] / read[name] for name in ("checked", "unchecked")}
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
