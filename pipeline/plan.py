"""What there is to do: partitions, units and their fingerprints.

A partition runs through all stages before a dataset stage on its own. The dataset stage sees them together, may ask
for more partitions (another round), and names the units of the stages after it. All of it follows from the recipe
and from committed tables alone, so a run needs no other memory.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from manifests.recipe import Recipe, share_out
from manifests.schema import PLANNED
from manifests.stage import Config, Resources, Stage
from pipeline.commit import canonical, digest_of
from pipeline.decisions import FILE, read_decisions, summary
from pipeline.digests import Digests
from pipeline.registry import STAGES, load_stage
from pipeline.store import Store

# The unit of a dataset stage that closes the shards.
ALL = "all"

Read = Callable[["Unit"], pa.Table | None]


@dataclass(frozen=True)
class Partition:
    """`size` samples of one style, from number `index * size` on."""

    style: str
    index: int
    size: int

    @property
    def name(self) -> str:
        return f"{self.style}-p{self.index:05d}"

    def rows(self) -> pa.Table:
        first = self.index * self.size
        ids = [f"{self.style}-{n:06d}" for n in range(first, first + self.size)]
        return pa.table([pa.array(ids), pa.array([self.style] * self.size)], schema=PLANNED)


def partition_of(sample_id: str, size: int) -> Partition:
    """The partition that a sample belongs to."""
    style, _, number = sample_id.rpartition("-")
    return Partition(style, int(number) // size, size)


@dataclass(frozen=True, eq=False)
class Unit:
    """One stage's work on one partition, on one shard, or on the whole dataset."""

    stage: str
    name: str
    fingerprint: str
    upstream: tuple["Unit", ...] = ()
    partition: Partition | None = None
    closing: str = ""  # the dataset unit whose table named this one

    @property
    def key(self) -> tuple[str, str]:
        return self.stage, self.name


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

    def waves(self, read: Read) -> Iterator[list[list[Unit]]]:
        """Waves of chains; the units of a chain run in order, chains of a wave beside each other.

        `read` gives the table of a dataset unit that is done, or None: what follows is not known yet.
        """
        first, *rest = self.segments
        partitions = self.base_partitions()
        for number in range(self.recipe.select.rounds + 1):
            chains = [self._chain(first.stages, p.name, (), partition=p) for p in partitions]
            yield chains
            if first.closing is None:
                return
            closing = self._unit(first.closing, f"round-{number}", tuple(c[-1] for c in chains))
            yield [[closing]]
            committed = read(closing)
            if committed is None:
                return
            table = committed
            more = self._more(first.closing, table, partitions)
            if not more or number == self.recipe.select.rounds:
                break
            partitions = partitions + more
        for segment in rest:
            names = sorted(set(table.column("shard").to_pylist()) - {""})
            chains = [self._chain(segment.stages, name, (closing,), closing=closing.name) for name in names]
            yield chains
            if segment.closing:
                yield [[self._unit(segment.closing, ALL, tuple(c[-1] for c in chains), closing=closing.name)]]

    def base_partitions(self) -> list[Partition]:
        """The partitions of the first round: whole ones, so that a larger count only appends."""
        recipe, size = self.recipe, self.recipe.partition_size
        partitions = []
        for style, wanted in share_out(recipe.poses.count, recipe.styles).items():
            count = math.ceil(wanted * recipe.poses.oversample / size)
            partitions += [Partition(style, i, size) for i in range(count)]
        return partitions

    def _more(self, closing: type[Stage], table: pa.Table, partitions: list[Partition]) -> list[Partition]:
        """Whole partitions for what each style still lacks."""
        size, more = self.recipe.partition_size, []
        for style, missing in closing(self.configs[closing.name]).shortfall(table).items():
            made = sum(p.style == style for p in partitions)
            more += [Partition(style, made + i, size) for i in range(math.ceil(missing / size))]
        return more

    def _chain(self, stages, name: str, upstream: tuple[Unit, ...], **more) -> list[Unit]:
        chain: list[Unit] = []
        for stage in stages:
            chain.append(self._unit(stage, name, (chain[-1],) if chain else upstream, **more))
        return chain

    def _unit(self, stage: type[Stage], name: str, upstream: tuple[Unit, ...], **more) -> Unit:
        identity = [self.declared[stage.name], name, [u.fingerprint for u in upstream]]
        return Unit(stage.name, name, digest_of(identity), upstream, **more)

    def _declare(self, stage: type[Stage]) -> dict:
        fields: dict[str, object] = {"seed": self.recipe.seed, "version": stage.version}
        if stage is self.stages[0]:
            fields["partition_size"] = self.recipe.partition_size
        for name, value, is_path in self.configs[stage.name].fields():
            fields[name] = f"sha256:{self._digests.of(Path(value))}" if is_path and value else value
        if stage.heeds_decisions and self._decisions:
            fields[FILE] = self._decisions
        return json.loads(canonical(fields))  # as a marker will give it back
