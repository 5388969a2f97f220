"""Drives a recipe to done: surveys the run folder, does what is missing, and leaves nothing else behind."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.recipe import Recipe
from manifests.recipe_files import dump_recipe
from pipeline.executors import Executor
from pipeline.executors.choose import HERE, Where
from pipeline.lock import RunLock
from pipeline.plan import Pipeline, Unit, Wave
from pipeline.progress import Progress
from pipeline.prune import prune, retract_index
from pipeline.registry import STAGES
from pipeline.store import RECIPE_FILE, Store
from pipeline.survey import DONE, Survey
from pipeline.work import Task

_VERDICT = {"sample_id", "outcome", "stage", "reason"}


@dataclass(frozen=True)
class Summary:
    """How a run ended: units done by this launch; what became of every planned sample, and of the rejected why (empty if cut short)."""

    units: int
    outcomes: dict[str, int]
    rejected: dict[str, int]


def run(
    recipe: Recipe,
    url: str,
    specs: tuple[str, ...] = STAGES,
    until: str | None = None,
    retry_failed: bool = False,
    shuffle: int | None = None,
    quiet: bool = False,
    where: Where = HERE,
) -> Summary:
    """Make every unit that the recipe needs and the folder lacks, up to the stage `until`, on the executor that `where` names.

    `shuffle` is a seed for the order of partitions; no order changes a byte of the data.
    Raises UserError where another launcher holds the folder, a stage cannot run, or too many samples fail.
    """
    store = Store(url)
    pipeline = Pipeline(recipe, specs, store)
    if until and until not in pipeline.by_name:
        raise UserError(f"no stage is called {until}; there are {', '.join(pipeline.by_name)}")
    where.check(recipe, store)
    with RunLock(store) as lock:
        try:
            store.sweep()
            return _Runner(pipeline, store, lock, where, until, retry_failed, shuffle, quiet).drive()
        except OSError as e:
            raise UserError(f"{url}: {e.strerror or e} ({e.filename or 'in the run folder'}); what is committed stays") from None
        finally:
            store.sweep()


class _Runner:
    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        lock: RunLock,
        where: Where,
        until: str | None,
        retry_failed: bool,
        shuffle: int | None,
        quiet: bool,
    ):
        self.pipeline, self.store, self.lock, self.where, self.until = pipeline, store, lock, where, until
        self.survey = Survey(pipeline, store, retry_failed)
        self.progress = Progress(list(pipeline.by_name), store, "warning" if quiet else pipeline.recipe.run.log_level)
        self._order = random.Random(shuffle) if shuffle is not None else None
        self._count = 0
        self._retracted = False
        self._planned_samples = 0

    def drive(self) -> Summary:
        if self._all_done():
            for wave in self._waves():
                self._announce(wave)
            self._freeze()
            return self._ended()
        if self.survey.needs_cleaned(self._units()):
            self.survey = Survey(self.pipeline, self.store, self.survey.retry_failed, revive=True)
        with self.progress, closing(self.where.open(self.pipeline, self.store, self.lock.mark)) as executor:
            if not self.store.exists(RECIPE_FILE):
                self._freeze()
            for wave in self._waves():
                self._flow(wave, executor)
        return Summary(self._count, {}, {}) if self.until else self._ended()

    def _freeze(self) -> None:
        """Once a first unit is done; until then the folder keeps the last recipe that could run, where it has one."""
        self.store.write(RECIPE_FILE, dump_recipe(self.pipeline.recipe).encode())

    def _ended(self) -> Summary:
        if not self.until:
            prune(self.pipeline, self.store, self.survey)
        return Summary(self._count, outcomes(self.survey), rejected(self.survey))

    def _all_done(self) -> bool:
        return all(self.survey.state(u).kind == DONE for u in self._units())

    def _units(self) -> Iterator[Unit]:
        return (unit for wave in self._waves() for chain in wave for unit in chain)

    def _waves(self) -> Iterator[Wave]:
        for wave in self.survey.waves():
            yield wave.until(self.until) if self.until else wave
            if self.until in wave.stages:
                return

    def _flow(self, wave: Wave, executor: Executor) -> None:
        """All chains of a wave, at most `slots` units at a time; a chain that has begun goes first."""
        self._announce(wave)
        fresh, begun = iter(self._ordered(wave)), list[list[Unit]]()
        running: dict[tuple[str, str], tuple[Unit, list[Unit]]] = {}
        landed: list[tuple[Unit, list[Unit], dict]] = []
        while True:
            self.lock.check()
            self._fill(fresh, begun, running, executor)  # free hands get work first, the books wait
            for unit, rest, row in landed:
                self._finished(unit, row)
                begun.append(rest)
            self._fill(fresh, begun, running, executor)
            if not running:
                return
            landed = [(*running.pop((d.task.stage, d.task.name)), d.row) for d in executor.wait()]

    def _ordered(self, wave: Wave) -> Iterable[list[Unit]]:
        if not self._order:
            return wave
        chains = list(wave)
        self._order.shuffle(chains)
        return chains

    def _fill(self, fresh: Iterator[list[Unit]], begun: list[list[Unit]], running: dict, executor: Executor) -> None:
        while len(running) < executor.slots and (found := self._next(fresh, begun)):
            running[found[0].key] = found
            self._start(found[0], executor)

    def _next(self, fresh: Iterator[list[Unit]], begun: list[list[Unit]]) -> tuple[Unit, list[Unit]] | None:
        """The next unit that is not done, and what comes after it in its chain."""
        while (chain := begun.pop() if begun else next(fresh, None)) is not None:
            for i, unit in enumerate(chain):
                if self.survey.state(unit).kind != DONE:
                    return unit, chain[i + 1 :]
        return None

    def _start(self, unit: Unit, executor: Executor) -> None:
        stage = self.pipeline.by_name[unit.stage]
        if unit.closing and not self._retracted:  # the first that writes into the dataset
            retract_index(self.pipeline, self.store)
            self._retracted = True
        if not self.progress.tallies[unit.stage].first:
            executor.prepare(stage, self.pipeline.configs[unit.stage])
        self.progress.begun(unit.stage)
        declared = self.pipeline.declared[unit.stage]
        device = self.pipeline.recipe.run.device
        executor.submit(Task.of(unit, self.survey.inputs(unit), declared, stage.scope == "dataset", device))

    def _finished(self, unit: Unit, row: dict) -> None:
        if not self._count:
            self._freeze()
        self._count += 1
        self.survey.finished(unit, row.pop("lineage"), row)
        self.progress.unit(row)
        self._tell_selected([unit.stage])
        self._check_ceiling(f"; the last in stage {row['stage']}, unit {row['unit']}")

    def _tell_selected(self, stages: Iterable[str]) -> None:
        """Let the progress display know what the selection, if it is among the stages, has made of all samples."""
        if "select" in stages:
            counts = outcomes(self.survey)
            self.progress.kept, self.progress.surplus = counts.get("kept", 0), counts.get("surplus", 0)

    def _check_ceiling(self, last: str = "") -> None:
        failed, ceiling = self.progress.failed(), self.pipeline.recipe.run.failed_ceiling
        if failed > ceiling * self._planned_samples:
            raise UserError(
                f"{failed} of {self._planned_samples} samples failed, more than run.failed_ceiling allows ({ceiling:.2%}){last}; "
                "`skep status` lists them, --retry-failed tries them again"
            )

    def _announce(self, wave: Wave) -> None:
        """Tell the progress display what this wave holds and what of it is done; that may be too many failures already."""
        counts: dict[str, Counter] = {stage: Counter() for stage in wave.stages}
        for chain in wave:
            partition = chain[0].partition if chain else None
            self._planned_samples += partition.size if partition else 0
            for unit in chain:
                state, count = self.survey.state(unit), counts[unit.stage]
                count["planned"] += 1
                if state.kind == DONE:
                    count.update(units=1, made=state.made, rejected=state.rejected, failed=state.failed)
        for stage, count in counts.items():
            self.progress.plan(stage, count, afresh=self.pipeline.by_name[stage].scope == "dataset")
        self._tell_selected(counts)
        self._check_ceiling()


def outcomes(survey: Survey) -> dict[str, int]:
    """Samples by outcome, from the last dataset table that has one."""
    table = _verdicts(survey)
    return {} if table is None else {v["values"]: v["counts"] for v in pc.value_counts(table["outcome"]).to_pylist()}


def rejected(survey: Survey) -> dict[str, int]:
    """Rejected samples by stage and reason, the commonest first; what a reason adds after a colon is left out."""
    table, counts = _verdicts(survey), Counter[str]()
    if table is not None:
        thrown = table.filter(pc.equal(table["outcome"], "rejected"))
        for stage, reason in zip(thrown["stage"].to_pylist(), thrown["reason"].to_pylist(), strict=True):
            counts[f"{stage}: {reason.partition(':')[0]}"] += 1
    return dict(counts.most_common())


def _verdicts(survey: Survey) -> pa.Table | None:
    """The last dataset table that says what became of each sample."""
    found = None
    for unit in survey.units([s.name for s in survey.pipeline.stages if set(s.writes.names) >= _VERDICT]):
        table = survey.read(unit)
        found = found if table is None else table
    return found
