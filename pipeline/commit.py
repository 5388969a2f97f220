"""Commit of one unit: its files first, then a marker that says what they are. No marker, no unit.

The marker is deterministic: no time, no host. Timings go to the event log.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.dataset import FILE
from manifests.errors import UserError
from manifests.schema import FAILED, part_of
from pipeline.store import HashedFile, StagedFile, Store

MARKER_SUFFIX = ".done.json"
DATASET_FOLDER = "dataset"
INDEX = f"{DATASET_FOLDER}/{FILE}"
# Shards pick single rows out of these tables; small groups keep that cheap.
ROW_GROUP = 64


class Damaged(Exception):
    """A committed file is not what its marker says."""


class DamagedTable(UserError):
    """A table cannot be read; the sentence says which and how to go on."""


@dataclass(frozen=True)
class Marker:
    """What was committed, from what, under which declaration."""

    stage: str
    unit: str
    fingerprint: str
    declared: dict
    inputs: str
    files: dict[str, dict]
    rows: dict[str, int]
    environment: dict
    cleaned: bool = False

    @property
    def lineage(self) -> str:
        """Changes with the declaration, the inputs and the bytes: what later units compare with."""
        return digest_of([self.fingerprint, self.inputs, self.files])

    def to_bytes(self) -> bytes:
        body = asdict(self)
        return canonical({**body, "digest": digest_of(body)})

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> "Marker":
        try:
            body = json.loads(data)
            said = body.pop("digest")
            marker = cls(**body)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Damaged(f"{name} is not a whole marker") from None
        if digest_of(body) != said:
            raise Damaged(f"{name} differs from its own digest")
        return marker


def canonical(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(value) -> str:
    """Short digest of a JSON value, equal for equal values."""
    return hashlib.blake2b(canonical(value), digest_size=16).hexdigest()


def digest_of_list(items: Iterable, before: bytes = b"[", after: bytes = b"]") -> str:
    """`digest_of` of a JSON list too long to hold, or of a value that ends in one; the text around its items is given."""
    digest, comma = hashlib.blake2b(before, digest_size=16), b""
    for item in items:
        digest.update(comma + canonical(item))
        comma = b","
    digest.update(after)
    return digest.hexdigest()


def marker_name(stage: str, unit: str) -> str:
    return f"{stage}/{unit}{MARKER_SUFFIX}"


def table_name(stage: str, unit: str) -> str:
    return f"{stage}/{unit}.parquet"


def failed_name(stage: str, unit: str) -> str:
    return f"{stage}/{unit}.failed.parquet"


class Columns:
    """Columns of an open table, to read from."""

    def __init__(self, file: pq.ParquetFile, schema: pa.Schema):
        self._file, self._schema = file, schema
        known = file.schema_arrow
        if any(field.name not in known.names or known.field(field.name).type != field.type for field in schema):
            raise pa.ArrowInvalid("other columns")  # nothing guards the end of the file, where they are named

    def all(self, *names: str) -> pa.Table:
        """Every row of the named columns, or of all. Arrow's threads are left out: a process that ends beside them may abort."""
        names = names or tuple(self._schema.names)
        table = self._mine(self._file.read(list(names), use_threads=False), names)
        if len(table) != self._file.metadata.num_rows:
            raise pa.ArrowInvalid("other rows")
        return table

    def groups(self, numbers: list[int]) -> pa.Table:
        """The rows of some row groups."""
        return self._mine(self._file.read_row_groups(numbers, self._schema.names, use_threads=False), self._schema.names)

    def _mine(self, table: pa.Table, names: Iterable[str]) -> pa.Table:
        schema = part_of(self._schema, names)
        return pa.table(table.select(schema.names).columns, schema=schema)


def read_table(store: Store, name: str, schema: pa.Schema) -> pa.Table:
    """The columns of `schema` from a committed table. Raises as `opened` does."""
    with opened(store, name, schema) as columns:
        return columns.all()


@contextmanager
def opened(store: Store, name: str, schema: pa.Schema) -> Iterator[Columns]:
    """The columns of `schema` in a committed table. Raises DamagedTable where it is gone or its bytes have changed."""
    mend = f"`skep verify {store.url} --drop-damaged` finds what else is, and the next run makes it again"
    try:
        with store.open(name) as raw:
            yield Columns(pq.ParquetFile(raw, pre_buffer=False, page_checksum_verification=True), schema)
    except FileNotFoundError:
        raise DamagedTable(f"{store.url}: {name} is missing; {mend}") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as e:
        if getattr(e, "errno", None):
            raise
        raise DamagedTable(f"{store.url}: {name} is damaged; {mend}") from None


def read_marker(store: Store, stage: str, unit: str) -> Marker | None:
    """The marker of a unit, None where it was never committed. Raises Damaged."""
    name = marker_name(stage, unit)
    try:
        return Marker.from_bytes(store.read(name), name)
    except FileNotFoundError:
        return None


def sound_marker(store: Store, stage: str, unit: str) -> Marker | None:
    """The marker of a unit, None where there is none or a damaged one."""
    try:
        return read_marker(store, stage, unit)
    except Damaged:
        return None


def committed(store: Store, stage: str) -> list[str]:
    """Units of a stage that have a marker, those that no recipe asks for any more too."""
    return [n.removesuffix(MARKER_SUFFIX) for n in store.list(stage) if n.endswith(MARKER_SUFFIX)]


def read_failed(store: Store, stage: str, unit: str) -> pa.Table | None:
    """schema.FAILED of a unit, None where nothing failed. The marker says so: a file may be of an earlier commit."""
    marker, name = read_marker(store, stage, unit), failed_name(stage, unit)
    return read_table(store, name, FAILED) if marker and name in marker.files and not marker.cleaned else None


class UnitSink:
    """Collects the files of one unit and publishes them with the marker last."""

    def __init__(self, store: Store):
        self.store = store
        self._staged: list[StagedFile] = []

    @contextmanager
    def open(self, name: str) -> Iterator[HashedFile]:
        """A file of the finished dataset, `dataset/<name>`."""
        with self._stage(f"{DATASET_FOLDER}/{name}") as file:
            yield file

    @contextmanager
    def _stage(self, name: str) -> Iterator[HashedFile]:
        staged = self.store.stage(name)
        self._staged.append(staged)
        yield staged.file
        staged.seal()

    def add_table(self, name: str, table: pa.Table) -> None:
        with self._stage(name) as file:
            pq.write_table(table, file, row_group_size=ROW_GROUP, compression="zstd", write_page_checksum=True)

    def files(self) -> dict[str, dict]:
        return {s.name: {"bytes": s.file.size, "sha256": s.file.sha256} for s in self._staged}

    def publish(self, marker: Marker) -> None:
        """What an earlier commit would leave goes, then files, then the marker, then the folders: the order is the promise."""
        self._supersede(marker)
        for staged in self._staged:
            staged.publish()
        for folder in sorted({s.name.rsplit("/", 1)[0] for s in self._staged} - {marker.stage}):
            self.store.sync_folder(f"{folder}/")
        self.store.write(marker_name(marker.stage, marker.unit), marker.to_bytes())

    def _supersede(self, marker: Marker) -> None:
        """Take an earlier marker away that is not true of these files, and the files that they do not replace."""
        earlier = sound_marker(self.store, marker.stage, marker.unit)
        if earlier and earlier.files != marker.files:
            self.store.remove(marker_name(marker.stage, marker.unit))
            for name in sorted(earlier.files.keys() - marker.files.keys()):
                self.store.remove(name)

    def discard(self) -> None:
        for staged in self._staged:
            staged.discard()
        self._staged.clear()


def damage(store: Store, marker: Marker) -> Iterator[str]:
    """One sentence for every committed file that is missing or differs from its marker."""
    for name, said in marker.files.items():
        if marker.cleaned and not name.startswith(f"{DATASET_FOLDER}/"):
            continue
        if not store.exists(name):
            yield f"{name} is missing"
        elif sha256_of(store, name) != said["sha256"]:
            yield f"{name} differs from its sha256"


def sha256_of(store: Store, name: str) -> str:
    with store.open(name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def clean(store: Store, marker: Marker) -> int:
    """Remove the tables of a unit, or what an earlier try has left of them; its marker stays and says so. Returns the bytes freed."""
    names = [n for n in marker.files if not n.startswith(f"{DATASET_FOLDER}/") and store.exists(n)]
    if not marker.cleaned:
        store.write(marker_name(marker.stage, marker.unit), replace(marker, cleaned=True).to_bytes())
    for name in names:
        store.remove(name)
    return sum(marker.files[n]["bytes"] for n in names)
