"""One unit from input to commit, in whatever process an executor gives it."""

import json
import time
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.schema import FAILED
from manifests.stage import KEEP, Context, Stage, environment
from pipeline.commit import DATASET_FOLDER, Marker, UnitSink, failed_name, sound_marker, table_name
from pipeline.decisions import FILE, read_decisions, summary
from pipeline.isolation import STRIKES, Deaths, Failure, Trying, isolate
from pipeline.node import once_per_node
from pipeline.partitions import Partition
from pipeline.plan import Pipeline, Unit
from pipeline.store import Store
from pipeline.tables import Inputs, Reader
from pipeline.threads import hold_threads


@dataclass(frozen=True)
class Task:
    """A unit as it travels to a worker."""

    stage: str
    name: str
    fingerprint: str
    inputs: str
    declared: dict  # by the launcher: a worker need not digest the files behind paths again
    partition: tuple[str, int, int] | None = None
    closing: str = ""
    upstream: tuple[str, ...] = ()
    deaths: str = "[]"
    device: str = "cuda"  # recipe.Run.device
    setup_key: str = ""  # where nobody has prepared the node: the worker does it, once for each key and stage

    @classmethod
    def of(cls, unit: Unit, inputs: str, declared: dict, is_dataset: bool, device: str) -> "Task":
        part = (unit.partition.style, unit.partition.index, unit.partition.size) if unit.partition else None
        names = tuple(u.name for u in unit.upstream) if is_dataset else ()
        return cls(unit.stage, unit.name, unit.fingerprint, inputs, declared, part, unit.closing, names, device=device)

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Task":
        return cls(**json.loads(data))


class Worker:
    """Holds the stages that a process has set up, and does units with them."""

    def __init__(self, pipeline: Pipeline, store: Store):
        self.pipeline, self.store = pipeline, store
        self.reader = Reader(pipeline, store)
        self._ready: dict[str, Stage] = {}

    def do(self, task: Task, trying: Trying = lambda low, high: None) -> dict:
        """Process and commit one unit; returns its row of the event log and its lineage. Announces each call by `trying(low, high)`."""
        stage, began = self._stage(task), time.monotonic()
        hold_threads(stage)
        if stage.made_with():
            stage.recall(self._recorded(task))
        decisions = self._decisions(task, type(stage))
        inputs = self._inputs(task, type(stage), decisions)
        sink = UnitSink(self.store)
        try:
            table, failures = self._process(stage, task, inputs, decisions, sink, trying)
            marker = self._commit(stage, task, inputs.table, table, failures, sink)
        except BaseException:
            sink.discard()
            raise
        seconds = round(time.monotonic() - began, 4)
        size = sum(file["bytes"] for name, file in marker.files.items() if name.startswith(DATASET_FOLDER))
        return {"stage": task.stage, "unit": task.name, "seconds": seconds, "bytes": size, "lineage": marker.lineage, **marker.rows}

    def _stage(self, task: Task) -> Stage:
        if task.stage not in self._ready:
            kind, config = self.pipeline.by_name[task.stage], self.pipeline.configs[task.stage]
            if task.setup_key:
                once_per_node(task.setup_key, task.stage, lambda: kind.setup_on_node(config))
            stage = kind(config)
            stage.setup(self._device(task))
            self._ready[task.stage] = stage
        return self._ready[task.stage]

    def _recorded(self, task: Task) -> dict:
        """What the unit depended on when it was last done, where it is done again as it was."""
        marker = sound_marker(self.store, task.stage, task.name)
        return marker.environment if marker and marker.fingerprint == task.fingerprint else {}

    def _device(self, task: Task) -> str:
        return device_of(self.pipeline, task.stage, task.device)

    def _decisions(self, task: Task, stage: type[Stage]) -> dict[str, str]:
        decisions = read_decisions(self.store) if stage.heeds_decisions else {}
        if summary(decisions) != task.declared.get(FILE, ""):
            raise UserError(f"{self.store.url}: {FILE} has changed since the run began; run the same command again")
        return decisions

    def _inputs(self, task: Task, stage: type[Stage], decisions: dict[str, str]) -> Inputs:
        if stage.scope == "dataset":
            saved = {sample_id for sample_id, decision in decisions.items() if decision == KEEP}
            return self.reader.dataset(stage, task.upstream, task.closing, saved)
        if task.partition is None:
            return self.reader.shard(stage, task.name, task.closing)
        return self.reader.partition(stage, task.name, Partition(*task.partition).rows())

    def _process(
        self, stage: Stage, task: Task, inputs: Inputs, decisions: dict[str, str], sink: UnitSink, trying: Trying
    ) -> tuple[pa.Table, list[Failure]]:
        ctx = Context(
            self.pipeline.recipe.seed, task.stage, task.name, sink, self._device(task), inputs.ledger, decisions,
            task.declared, {kind.name: kind.version for kind in self.pipeline.stages},
        )  # fmt: skip

        def process(rows: pa.Table) -> pa.Table:
            return checked(stage, rows, stage.process(rows, ctx))

        deaths = Deaths.from_json(task.deaths)
        if not answers_by_row(type(stage)) or not len(inputs.table):
            _check_deaths(task, deaths.ranges.get((0, len(inputs.table)), []))
            trying(0, len(inputs.table))
            return process(inputs.table), []
        before = stage.made_with()
        outputs, failures = isolate(process, inputs.table, deaths, trying)
        while stage.made_with() != before:  # memory cut a batch short on the way, and the marker shall be true of every row
            before = stage.made_with()
            outputs, failures = isolate(process, inputs.table, deaths, trying)
        return pa.concat_tables([stage.writes.empty_table(), *outputs]), failures

    def _commit(self, stage: Stage, task: Task, given: pa.Table, table: pa.Table, failures: list[Failure], sink: UnitSink) -> Marker:
        sink.add_table(table_name(task.stage, task.name), table)
        if failures:
            sink.add_table(failed_name(task.stage, task.name), failed_table(given, failures, task.stage))
        rows = {"given": len(given), "made": len(table), "rejected": rejected_in(table, task.stage), "failed": len(failures)}
        made_by = environment(stage, self._device(task))
        marker = Marker(task.stage, task.name, task.fingerprint, task.declared, task.inputs, sink.files(), rows, made_by)
        sink.publish(marker)
        return marker


def answers_by_row(stage: type[Stage]) -> bool:
    """Whether samples of the stage can be told apart, and a guilty one put aside."""
    return stage.scope == "partition" and "sample_id" in stage.writes.names


def _check_deaths(task: Task, seen: list[str]) -> None:
    """Where no sample can be put aside, a unit that ends its process again would do so for ever."""
    if len(seen) >= STRIKES:
        raise UserError(f"stage {task.stage}, unit {task.name}: {seen[-1]}, twice")


def checked(stage: Stage, given: pa.Table, made: pa.Table) -> pa.Table:
    """The border control: what a stage returns has its schema, no nulls, and a row for every row."""
    made = made.combine_chunks()
    if not made.schema.equals(stage.writes):
        raise AssertionError(f"stage {stage.name} returned {made.schema.names}, its schema says {stage.writes.names}")
    holes = [name for name in made.schema.names if made.column(name).null_count]
    if holes:
        raise AssertionError(f"stage {stage.name} left {', '.join(holes)} empty in some row")
    if answers_by_row(type(stage)) and not made.column("sample_id").equals(given.column("sample_id")):
        raise AssertionError(f"stage {stage.name} did not answer for every sample in order")
    return made.replace_schema_metadata(stage.writes.metadata).cast(stage.writes)


def rejected_in(table: pa.Table, stage: str) -> int:
    """How many samples the stage itself rejected; the table of a selection tells of those that others did, too."""
    if "outcome" in table.schema.names:
        thrown = pc.and_(pc.equal(table["outcome"], "rejected"), pc.equal(table["stage"], stage))
    elif "reason" in table.schema.names:
        thrown = pc.not_equal(table["reason"], "")
    else:
        return 0
    return pc.sum(thrown).as_py() or 0


def failed_table(given: pa.Table, failures: list[Failure], stage: str) -> pa.Table:
    rows = given.take([f.row for f in failures])
    columns = [rows["sample_id"], rows["style"], [stage] * len(failures), [f.reason for f in failures], [f.digest for f in failures]]
    return pa.table(columns, schema=FAILED)


def device_of(pipeline: Pipeline, stage: str, wanted: str = "") -> str:
    """`cuda` or `cpu`; `wanted` as in recipe.Run.device, by default the recipe's. Raises UserError where the stage needs a GPU that
    is not there."""
    wanted = wanted or pipeline.recipe.run.device
    if not pipeline.needs[stage].gpus or wanted == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "auto":
        return "cpu"
    raise UserError(no_gpu(stage, "this machine"))


def no_gpu(stage: str, where: str) -> str:
    return f"stage {stage} needs a GPU and {where} has none; --set run.device=auto runs it on the CPU"
