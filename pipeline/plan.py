"""What there is to do: partitions, units and their fingerprints.

A partition runs through all stages before a dataset stage on its own. The dataset stage sees them together, may ask
for more partitions (another round), and names the units of the stages after it. All of it follows from the recipe
and from committed tables alone, so a run needs no other memory; units are made when somebody looks at them and kept by nobody.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow as pa

from manifests.recipe import Recipe, share_out
from manifests.stage import Config, Resources, Stage
from pipeline.commit import canonical, digest_of_list
from pipeline.decisions import FILE, read_decisions, summary
from pipeline.digests import Digests
from pipeline.partitions import Partition, Partitions
from pipeline.registry import STAGES, load_stage
from pipeline.store import Store

# The unit of a dataset stage that closes the shards.
ALL = "all"

Read = Callable[["Unit"], pa.Table | None]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Unit:
    """One stage's work on one partition, on one shard, or on the whole dataset."""

    stage: str
    name: str
    declared: bytes  # by the stage, as canonical JSON
    upstream: Iterable["Unit"] = ()
    partition: Partition | None = None
    closing: str = ""  # the dataset unit whose table named this one

    @property
    def key(self) -> tuple[str, str]:
        return self.stage, self.name

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the declaration, the name and the fingerprints of what comes before."""
        return digest_of_list((u.fingerprint for u in self.upstream), b"[%b,%b,[" % (self.declared, canonical(self.name)), b"]]")


@dataclass(frozen=True)
class Made(Generic[T]):
    """What `make` yields, made anew each time somebody looks through it."""

    make: Callable[[], Iterator[T]]

    def __iter__(self) -> Iterator[T]:
        return self.make()


@dataclass(frozen=True)
class Wave:
    """Chains that may run beside each other, each a unit of every one of `stages`, in that order."""

    stages: tuple[str, ...]
    chains: Iterable[list[Unit]]

    def __iter__(self) -> Iterator[list[Unit]]:
        return iter(self.chains)

    def until(self, stage: str) -> "Wave":
        """Chains that end with a stage; all of them where it is not among theirs."""
        if stage not in self.stages:
            return self
        end = self.stages.index(stage) + 1
        return Wave(self.stages[:end], Made(lambda: (chain[:end] for chain in self.chains)))


@dataclass(frozen=True)
class Segment:
    """Stages that run unit by unit, and the dataset stage that closes them."""

    stages: tuple[type[Stage], ...]
    closing: type[Stage] | None


class Pipeline:
    """A recipe and its stages: everything that can be known before running.

    store: the run folder, whose reviewers' decisions are an input too; without it there are none.
    """

    def __init__(self, recipe: Recipe, specs: tuple[str, ...] = STAGES, store: Store | None = None):
        self.recipe, self.specs, self._store = recipe, specs, store
        self.stages = [load_stage(spec) for spec in specs]
        self.by_name = {s.name: s for s in self.stages}
        self.configs = {s.name: Config(recipe, s.config) for s in self.stages}
        self._digests = Digests()

    @cached_property
    def declared(self) -> dict[str, dict]:
        """Of each stage: all that its output may depend on, by field, paths by the digest of their content."""
        declared = {s.name: self._declare(s) for s in self.stages}
        self._digests.save()
        return declared

    @cached_property
    def needs(self) -> dict[str, Resources]:
        """What one worker of each stage holds."""
        return {s.name: s.needs(self.configs[s.name]) for s in self.stages}

    @cached_property
    def _decisions(self) -> str:
        return summary(read_decisions(self._store)) if self._store else ""

    @cached_property
    def segments(self) -> list[Segment]:
        segments: list[Segment] = []
        open_stages: list[type[Stage]] = []
        for stage in self.stages:
            if stage.scope == "dataset":
                segments.append(Segment(tuple(open_stages), stage))
                open_stages = []
            else:
                open_stages.append(stage)
        return [*segments, Segment(tuple(open_stages), None)] if open_stages else segments

    def producer(self, column: str) -> type[Stage]:
        """The first stage that writes a column."""
        for stage in self.stages:
            if column in stage.writes.names:
                return stage
        raise AssertionError(f"no stage writes the column {column}")

    def waves(self, read: Read) -> Iterator[Wave]:
        """Waves in the order in which they run; every unit is in one of them.

        `read` gives the table of a dataset unit that is done, or None: what follows is not known yet.
        """
        first, *rest = self.segments
        partitions = new = self.base_partitions()
        for number in range(self.recipe.select.rounds + 1):
            yield self._partitions_wave(first, new)
            if first.closing is None:
                return
            closing = self._unit(first.closing, f"round-{number}", self._last_of(self._partitions_wave(first, partitions)))
            yield Wave((closing.stage,), [[closing]])
            table = read(closing)
            if table is None:
                return
            new = self._more(first.closing, table, partitions)
            if not new:
                break
            partitions = partitions + new
        for segment in rest:
            wave = self._shards_wave(segment, table, closing)
            yield wave
            if segment.closing:
                yield Wave((segment.closing.name,), [[self._unit(segment.closing, ALL, self._last_of(wave), closing=closing.name)]])

    def base_partitions(self) -> Partitions:
        """The partitions of the first round: whole ones, so that a larger count only appends."""
        recipe, size = self.recipe, self.recipe.partition_size
        shares = share_out(recipe.poses.count, recipe.styles)
        counts = {style: math.ceil(wanted * recipe.poses.oversample / size) for style, wanted in shares.items()}
        return Partitions(size, tuple((style, range(count)) for style, count in counts.items()))

    def _more(self, closing: type[Stage], table: pa.Table, partitions: Partitions) -> Partitions:
        """Whole partitions for what each style still lacks."""
        more = []
        for style, missing in closing(self.configs[closing.name]).shortfall(table).items():
            made = partitions.of(style)
            more.append((style, range(made, made + math.ceil(missing / partitions.size))))
        return Partitions(partitions.size, tuple(more))

    def _partitions_wave(self, segment: Segment, partitions: Partitions) -> Wave:
        return self._wave(segment, lambda: (self._chain(segment.stages, p.name, (), partition=p) for p in partitions))

    def _shards_wave(self, segment: Segment, table: pa.Table, closing: Unit) -> Wave:
        names = sorted(set(table.column("shard").to_pylist()) - {""})
        return self._wave(segment, lambda: (self._chain(segment.stages, name, (closing,), closing=closing.name) for name in names))

    @staticmethod
    def _wave(segment: Segment, make: Callable[[], Iterator[list[Unit]]]) -> Wave:
        return Wave(tuple(s.name for s in segment.stages), Made(make))

    @staticmethod
    def _last_of(wave: Wave) -> Iterable[Unit]:
        return Made(lambda: (chain[-1] for chain in wave))

    def _chain(self, stages, name: str, upstream: Iterable[Unit], **more) -> list[Unit]:
        chain: list[Unit] = []
        for stage in stages:
            chain.append(self._unit(stage, name, (chain[-1],) if chain else upstream, **more))
        return chain

    def _unit(self, stage: type[Stage], name: str, upstream: Iterable[Unit], **more) -> Unit:
        return Unit(stage.name, name, self._declared[stage.name], upstream, **more)

    @cached_property
    def _declared(self) -> dict[str, bytes]:
        return {name: canonical(fields) for name, fields in self.declared.items()}

    def _declare(self, stage: type[Stage]) -> dict:
        fields: dict[str, object] = {"seed": self.recipe.seed, "version": stage.version}
        if stage is self.stages[0]:
            fields["partition_size"] = self.recipe.partition_size
        for name, value, is_path in self.configs[stage.name].fields():
            fields[name] = f"sha256:{self._digests.of(Path(value))}" if is_path and value else value
        if stage.heeds_decisions and self._decisions:
            fields[FILE] = self._decisions
        return json.loads(canonical(fields))  # as a marker will give it back
