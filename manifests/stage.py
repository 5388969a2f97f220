"""The stage protocol: a stage turns an Arrow table into an Arrow table and declares what it needs."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from manifests.errors import UserError
from manifests.randomness import generator
from manifests.recipe import Recipe, Section
from manifests.schema import LOSSES, REASON, SAMPLE_ID

Scope = Literal["partition", "dataset"]
KEEP, REJECT = "keep", "reject"  # what a reviewer may decide


@dataclass(frozen=True)
class Resources:
    """What one worker of the stage holds: CPU threads, GPUs (may be a fraction), memory in bytes.

    model: the stage is slow to set up; on a cluster it gets workers of its own that stay. A stage with GPUs always does.
    custom: named resources of a cluster's nodes, to place the stage on a kind of node.
    """

    cpus: float = 1
    gpus: float = 0
    memory: int = 0
    model: bool = False
    custom: dict[str, float] = dataclasses.field(default_factory=dict)


class Sink(Protocol):
    """Takes the files of one unit; they appear in the dataset folder together, or not at all."""

    def open(self, name: str) -> AbstractContextManager[Any]:
        """A binary file to write, published under `name` when the unit is committed; it knows its `size` and `sha256`."""
        ...


class _NoFiles:
    def open(self, name: str) -> AbstractContextManager[Any]:
        raise AssertionError(f"{name}: a stage that works outside a run writes no file")


@dataclass(frozen=True)
class Context:
    """What a stage may know of the run that it is part of."""

    seed: int
    stage: str
    unit: str
    sink: Sink
    device: str
    ledger: pa.Table  # dataset scope only: rows lost on the way (schema.LOSSES), then the table of the dataset stage before
    decisions: dict[str, str] = dataclasses.field(default_factory=dict)  # for a stage that heeds them: KEEP or REJECT by sample id
    declared: dict[str, Any] = dataclasses.field(default_factory=dict)  # Config.fields of the stage, paths by the digest of their content
    versions: dict[str, int] = dataclasses.field(default_factory=dict)  # of every stage of the run, by name

    @classmethod
    def alone(cls, seed: int, stage: str, device: str = "cpu") -> "Context":
        """Of a stage that is asked for rows outside any run: nothing was lost before, and it writes no file."""
        return cls(seed, stage, "alone", _NoFiles(), device, LOSSES.empty_table())

    def rng(self, sample_id: str) -> np.random.Generator:
        """Randomness of one sample in this stage, whatever else runs beside it."""
        return generator(self.seed, sample_id, self.stage)


class Fact(NamedTuple):
    """Something about N rows that a report counts.

    values: words (N,); numbers (N,) or (N, K), counted in `bins` between `bounds`, what lies beyond in the outermost; or places
    (N, K, 2) in the unit square, x right, y down. about: what the name does not say.
    """

    name: str
    values: Sequence[str] | np.ndarray
    unit: str = ""
    bounds: tuple[float, float] = (0.0, 1.0)
    bins: int = 24
    about: str = ""


class Config:
    """The part of a recipe that a stage has declared. Reading anything else raises AttributeError."""

    def __init__(self, recipe: Recipe, declared: tuple[str, ...]):
        self._values = {path: _lookup(recipe, path) for path in declared}

    def __getattr__(self, name: str):
        if name in self._values:
            return self._values[name]
        raise AttributeError(f"a stage may read only what its `config` declares; {name} is not among them")

    def get(self, path: str):
        """A declared value by its dotted path, such as `poses.count`."""
        return self._values[path]

    def fields(self) -> Iterator[tuple[str, Any, bool]]:
        """(dotted name, plain value, is it a path whose content counts) of every field that decides the output."""
        for path, value in self._values.items():
            yield from _flatten(path, value)


class Stage(ABC):
    """Base of every stage. Subclasses are made once per worker and may hold a model.

    name, version: change the version when the same config would give other data.
    config: dotted recipe keys that the stage reads; all that its fingerprint covers.
    scope: `partition` stages run on each unit alone, a `dataset` stage sees all of them at once.
    reads, writes: columns. A table with `sample_id` answers for every row it was given, in the same order, and of a partition stage
    has `reason`: why a row goes no further, empty where it does;
    a dataset stage that writes `shard` decides the units of the partition stages after it, and may ask for more.
    told: columns of its own table that `facts` wants.
    heeds_decisions: a dataset stage that follows what reviewers decided. It is given the samples that they keep although the
    stage before rejected them; the ledger has these too.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    config: ClassVar[tuple[str, ...]] = ()
    scope: ClassVar[Scope] = "partition"
    reads: ClassVar[tuple[str, ...]] = ()
    writes: ClassVar[pa.Schema]
    told: ClassVar[tuple[str, ...]] = ()
    resources: ClassVar[Resources] = Resources()
    heeds_decisions: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        columns = cls.writes.names if "writes" in cls.__dict__ else []
        if cls.scope == "partition" and SAMPLE_ID.name in columns and REASON.name not in columns:
            raise TypeError(f"{cls.__name__}.writes: expected `{REASON.name}` beside `{SAMPLE_ID.name}`, why a row goes no further")

    def __init__(self, config: Config):
        self.cfg = config

    @classmethod
    def needs(cls, config: Config) -> Resources:
        """What one worker holds, where the recipe decides it."""
        return cls.resources

    @classmethod
    def setup_on_node(cls, config: Config) -> None:
        """Once per machine, before any worker starts: fetch or compile what the workers share."""

    def setup(self, device: str) -> None:
        """Once per worker, before the first table: load models."""

    @abstractmethod
    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        """The stage's work. `table` holds `sample_id`, `style` and the columns in `reads`."""

    def made_with(self) -> dict:
        """What pictures depended on beyond recipe and machine, for the marker: a batch that memory cut short, say."""
        return {}

    def recall(self, made_with: dict) -> None:
        """Before each unit: restore the settings that its marker recorded, such as a smaller batch, so that the bytes come out the
        same; empty where it was never committed."""

    def shortfall(self, table: pa.Table) -> dict[str, int]:
        """Dataset scope only: how many samples more of each style should be planned, after this output; they come in partitions."""
        return {}

    def preview(self, row: dict) -> np.ndarray:
        """One row as an RGB picture (H, W, 3) uint8 for contact sheets; `row` holds every column known by then, as schema.rows_of has
        them. No set-up is needed."""
        raise UserError(f"stage {self.name} has no pictures to show")

    def facts(self, table: pa.Table) -> list[Fact]:
        """What a report should count of some rows; they hold the columns in `told`. Always the same facts, and no set-up is needed."""
        return []


def widened(known: pa.Table, stage: Stage, seed: int) -> pa.Table:
    """Rows of all columns that are known so far, and those that the stage makes of them, outside any run; it has been set up."""
    made = stage.process(known.select(["sample_id", "style", *stage.reads]), Context.alone(seed, stage.name))
    for name in made.schema.names:
        known = known.drop_columns([name]) if name in known.schema.names else known
        known = known.append_column(made.schema.field(name), made.column(name))
    return known


def threads_of(stage: Stage) -> int:
    """How many threads the stage works with."""
    return max(1, int(stage.needs(stage.cfg).cpus))


def environment(stage: Stage, device: str) -> dict:
    """What pictures may depend on beyond the recipe; every marker records it."""
    return {"device": device, "threads": threads_of(stage), **stage.made_with()}


def _lookup(recipe: Recipe, path: str):
    value: Any = recipe
    for part in path.split("."):
        value = getattr(value, part)
    return value


def _flatten(path: str, value) -> Iterator[tuple[str, Any, bool]]:
    if not isinstance(value, Section):
        yield path, value, False
        return
    plain = value.model_dump(mode="json")
    for name, field in type(value).model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        parts = _parts(getattr(value, name))
        if parts:
            for key, part in parts.items():
                yield from _flatten(f"{path}.{name}{key}", part)
        elif not extra.get("plan_only"):
            yield f"{path}.{name}", plain[name], bool(extra.get("content"))


def _parts(value) -> dict[str, Section]:
    """The sections that a value is made of, by what to add to its name: the value itself, or each of a list of them."""
    if isinstance(value, Section):
        return {"": value}
    if isinstance(value, tuple) and value and all(isinstance(item, Section) for item in value):
        return {f".{i}": item for i, item in enumerate(value)}
    return {}
