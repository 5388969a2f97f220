"""Stages that cost nothing and can misbehave on request, for tests of the frame. They use sections of the real recipe.

`body.path` names a JSON file of misbehaviour: {"raise": [ids], "exit": [ids], "hang": [ids], "kill": [ids], "kill_once": folder,
"raise_without": [file, ids], "gpu_fails_once": file, "log": file}.
"""

import json
import os
import signal
import tarfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
from botocore.exceptions import EndpointConnectionError

from manifests.errors import UserError
from manifests.randomness import split_of
from manifests.recipe import Recipe
from manifests.recipe_files import check_recipe
from manifests.schema import REASON, SAMPLE_ID, SHARDS, SKETCHES, SPLIT
from manifests.stage import Resources, Stage
from stages.select import Select
from tests import faults  # noqa: F401 - where the environment asks for it, every process that loads these stages may be struck

IMAGE_BYTES = SKETCHES.field("image_bytes")


def specs(sketches: str = "Blobs") -> tuple[str, ...]:
    """The toy pipeline with another class for the sketches."""
    return ("tests.toy:Values", f"tests.toy:{sketches}", "tests.toy:Chosen", "tests.toy:Tars", "stages.shards.index:IndexStage")


SPECS = specs()


def toy_recipe(**more) -> Recipe:
    """Two styles, partitions of five; dotted keys override, as in `poses__count=40`."""
    data: dict = {
        "name": "toy", "seed": 3, "styles": ["ink", "kids"], "partition_size": 5, "poses": {"count": 30, "oversample": 1.3},
        "shards": {"samples": 7}, "select": {"duplicates": {"on": False}}, "split": {"val": 0.2},
        "run": {"workers": 1, "timeout_s": 60, "timeout_per_sample_s": 0},
    }  # fmt: skip
    for key, value in more.items():
        section, _, name = key.partition("__")
        if name:
            data.setdefault(section, {})[name] = value
        else:
            data[section] = value
    return check_recipe(data, "toy")


class AcceleratorError(RuntimeError):
    """As torch has one."""


class Values(Stage):
    name = "poses"
    version = 1
    config = ("poses", "split")
    writes = pa.schema([SAMPLE_ID, SPLIT, pa.field("value", pa.float64(), nullable=False), REASON])

    def process(self, table, ctx):
        ids = table["sample_id"].to_pylist()
        values = [ctx.rng(i).normal() + self.cfg.poses.facing_deg for i in ids]
        splits = [split_of(i, self.cfg.split.val) for i in ids]
        return pa.table([ids, splits, values, [""] * len(ids)], schema=self.writes)


class Blobs(Stage):
    name = "sketches"
    version = 1
    config = ("sketches", "body")
    reads = ("value",)
    writes = pa.schema([SAMPLE_ID, pa.field("blob", pa.binary(), nullable=False), IMAGE_BYTES, REASON])

    def setup(self, device):
        path = self.cfg.body.path
        self.bad = json.loads(Path(path).read_text()) if path else {}
        self._note("setup", device)

    def process(self, table, ctx):
        self._note("unit", ctx.unit)
        rows = [self._row(row, ctx) for row in table.to_pylist()]
        return pa.table([list(column) for column in zip(*rows, strict=True)], schema=self.writes)

    def _row(self, row, ctx):
        self._misbehave(row["sample_id"])
        rng = ctx.rng(row["sample_id"])
        blob = rng.integers(0, 256, 20_000, np.uint8).tobytes() + str(row["value"]).encode()
        return row["sample_id"], blob, len(blob), "unlucky" if rng.random() < 0.1 else ""

    def _note(self, *words):
        """A line in the file `log`: what happened in which process of which node."""
        if "log" in self.bad:
            with open(self.bad["log"], "a") as file:
                file.write(" ".join([os.environ.get("TOY_NODE", "-"), str(os.getpid()), *words]) + "\n")

    def _misbehave(self, sample_id):
        if sample_id in self.bad.get("raise", ()):
            raise ValueError(f"cannot draw {sample_id}")
        self._poisoned(self.bad.get("gpu_fails_once"))
        if sample_id in self.bad.get("kill", ()):
            os.kill(os.getpid(), signal.SIGKILL)
        if sample_id in self.bad.get("exit", ()):
            os._exit(7)
        if sample_id in self.bad.get("hang", ()):
            while True:
                time.sleep(1)
        lacking, ids = self.bad.get("raise_without", ("", ()))
        if sample_id in ids and not Path(lacking).exists():
            raise ValueError(f"cannot draw {sample_id} yet")
        flag = self.bad.get("kill_once") and Path(self.bad["kill_once"]) / sample_id
        if flag and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def _poisoned(self, flag):
        """The first process that comes here can do nothing more, as where a GPU's memory was overrun."""
        if flag and (hasattr(self, "fault") or not Path(flag).exists()):
            self.fault = "CUDA error: an illegal memory access was encountered"
            Path(flag).touch()
            raise AcceleratorError(self.fault)


class Model(Blobs):
    """The same pictures by a stage that holds a model."""

    resources = Resources(model=True)


class Placed(Model):
    """Runs only where there is an easel."""

    resources = Resources(model=True, custom={"easel": 1})


class Gpu(Blobs):
    """Wants a GPU."""

    resources = Resources(gpus=1)


class Unready(Blobs):
    """Another version, and nothing that it needs is there."""

    version = 2

    def setup(self, device):
        raise UserError("cannot read the brushes")


class Offline(Blobs):
    """A store that it needs does not answer."""

    def setup(self, device):
        raise EndpointConnectionError(endpoint_url="http://there")


class Chosen(Select):
    """The real selection, of blobs that have no looks to compare."""

    reads = tuple(column for column in Select.reads if column not in ("picture_hash", "thumbnail", "pose", "joints3d"))


class Fatal(Chosen):
    """Ends its process."""

    def process(self, table, ctx):
        os._exit(7)


class Tars(Stage):
    name = "shards"
    version = 1
    reads = ("blob", "value")
    writes = SHARDS

    def process(self, table, ctx):
        with ctx.sink.open(f"{ctx.unit}.tar") as file, tarfile.open(fileobj=file, mode="w|") as tar:
            for row in table.to_pylist():
                member = tarfile.TarInfo(f"{row['sample_id']}.bin")
                member.size = len(row["blob"])
                tar.addfile(member, BytesIO(row["blob"]))
        made = [f"{ctx.unit}.tar", ctx.unit.split("-")[0], len(table), file.size, file.sha256, ["toy"], []]
        return pa.table([[v] for v in made], schema=SHARDS)


class Stuck(Tars):
    """Hangs."""

    def process(self, table, ctx):
        while True:
            time.sleep(1)
