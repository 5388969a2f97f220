"""`dataset.json`, the index of a finished dataset: shards with their sha256, what became of every planned sample, what it was made
from; and the folder it lies in, which any fsspec URL may name."""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from manifests.errors import UserError
from manifests.schema import SCHEMA_VERSION, TALLIES, check_version

FILE, CARD, CROISSANT, PREVIEW = "dataset.json", "README.md", "croissant.json", "preview.html"
OUTCOMES = ("kept", "rejected", "surplus", "failed")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShardFile(_Entry):
    """A shard: its name in the dataset's folder, and what is in it."""

    shard: Annotated[str, Field(pattern=r"^(train|val)-[0-9]{6}\.tar$")]
    split: Literal["train", "val"]
    samples: Count
    bytes: Count
    sha256: Sha256


class VerdictFile(_Entry):
    """A table of verdicts."""

    file: Annotated[str, Field(pattern=r"^verdicts/[0-9]{6}\.parquet$")]
    rows: Count
    bytes: Count
    sha256: Sha256


class Tally(_Entry):
    """How many samples ended in the same way. stage, reason: who rejected them and why, or where they failed; else empty."""

    outcome: Literal["kept", "rejected", "surplus", "failed"]
    stage: str
    reason: str
    style: str
    split: str
    samples: Count


class Label(_Entry):
    """An array of every sample's npz."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    unit: str
    frame: str
    doc: str


class Index(_Entry):
    """All of `dataset.json`. recipe: the fields that decided the data, by dotted name; files: of those that name files or folders,
    `sha256:` and the digest of what lies there; stages: those that made it, in their order, with their versions; pages: sha256 of the
    card, the Croissant file and the preview. The last three were not always there."""

    schema_version: int
    name: str
    title: str
    licence: str
    creators: tuple[str, ...]
    url: str
    published: str
    seed: int
    planned: Count
    samples: Count
    image_size: Count
    image_format: Literal["png", "jpg"]
    generators: tuple[str, ...]
    tallies: tuple[Tally, ...]
    labels: tuple[Label, ...]
    joints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    shards: tuple[ShardFile, ...]
    verdicts: tuple[VerdictFile, ...]
    recipe: dict[str, Any]
    files: dict[str, str] = {}
    stages: tuple[tuple[str, int], ...] = ()
    pages: dict[str, Sha256] = {}

    def counted(self, *columns: str, **only: str) -> dict[tuple[str, ...], int]:
        """Samples by the given columns of the tallies, of those rows that have the values in `only`; sorted."""
        counts: Counter[tuple[str, ...]] = Counter()
        for tally in self.tallies:
            if all(getattr(tally, name) == value for name, value in only.items()):
                counts[tuple(getattr(tally, name) for name in columns)] += tally.samples
        return dict(sorted(counts.items()))

    def to_bytes(self) -> bytes:
        """Equal datasets give equal bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def make_index(**fields: Any) -> Index:
    """An index of this program's schema version."""
    return Index(schema_version=SCHEMA_VERSION, **fields)


def read_index(data: bytes, where: str) -> Index:
    """The index of a dataset. Raises UserError where it is not one that this version can read."""
    try:
        raw = json.loads(data)
        version = raw["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{where}: not a dataset index") from None
    check_version(version, where)
    try:
        return Index.model_validate(raw)
    except ValidationError as e:
        first = e.errors()[0]
        raise UserError(f"{where}: not a dataset index, {'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from None


def tallied(verdicts: pa.Table) -> pa.Table:
    """schema.TALLIES of a table of verdicts."""
    kinds = pc.struct_field(pc.extract_regex(verdicts["reason"], r"^(?P<kind>[^:]*)"), "kind")
    table = verdicts.set_column(verdicts.schema.get_field_index("reason"), "reason", kinds)
    groups = TALLIES.names[:-1]
    counts = table.group_by(groups, use_threads=False).aggregate([("sample_id", "count")]).sort_by([(g, "ascending") for g in groups])
    return counts.rename_columns({"sample_id_count": "samples"}).select(TALLIES.names).cast(TALLIES)


class Dataset:
    """A dataset's folder behind an fsspec URL, to read from. A run's folder will do: its dataset is meant."""

    def __init__(self, url: str | Path):
        """Raises UserError where there is no dataset that this version can read."""
        try:
            self._fs, root = fsspec.core.url_to_fs(str(url))
        except (ValueError, ImportError) as e:
            raise UserError(f"{url}: cannot use this address ({e})") from None
        self.url, self._root, self._opened_by = str(url).rstrip("/"), root.rstrip("/"), os.getpid()
        if not self.fs.exists(self._path(FILE)) and self.fs.exists(self._path(f"dataset/{FILE}")):
            self.url, self._root = f"{self.url}/dataset", f"{self._root}/dataset"
        if not self.fs.exists(self._path(FILE)):
            raise UserError(f"{self.address(FILE)}: this file is missing; a run writes it at its end, `skep run` or `make dataset`")
        data = self.read(FILE)
        self.digest = hashlib.sha256(data).hexdigest()
        self.index = read_index(data, self.address(FILE))

    @property
    def fs(self) -> fsspec.AbstractFileSystem:
        """The connection to where it lies, of this process: after a fork, that of the process before is of no use."""
        if self._opened_by != os.getpid():
            self._fs, self._opened_by = fsspec.core.url_to_fs(self.url)[0], os.getpid()
        return self._fs

    def address(self, name: str) -> str:
        """What to call a file of the dataset to a user."""
        return f"{self.url}/{name}"

    def open(self, name: str) -> BinaryIO:
        """A file to read from. Raises UserError."""
        try:
            return self.fs.open(self._path(name), "rb")
        except FileNotFoundError:
            raise UserError(f"{self.address(name)}: this file is missing") from None
        except OSError as e:
            raise UserError(f"{self.address(name)}: cannot read ({e.strerror or e})") from None

    def read(self, name: str) -> bytes:
        """All of a file. Raises UserError."""
        with self.open(name) as file:
            return file.read()

    def shards(self, split: str) -> list[ShardFile]:
        """The shards of a split. Raises UserError where it has no samples."""
        found = [s for s in self.index.shards if s.split == split and s.samples]
        if not found:
            raise UserError(f"{self.address(FILE)}: the {split} split has no samples")
        return found

    def exists(self, name: str) -> bool:
        """Whether a file of the dataset is there."""
        return self.fs.exists(self._path(name))

    def names(self, folder: str = "") -> list[str]:
        """Names in a folder of the dataset, relative to the dataset's; none where its place cannot be listed, as over HTTP."""
        place = self._path(folder) if folder else self._root
        try:
            return sorted(f"{folder}/".lstrip("/") + path.rstrip("/").rpartition("/")[2] for path in self.fs.ls(place, detail=False))
        except (OSError, NotImplementedError):
            return []

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"
