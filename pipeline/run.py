"""Drives a recipe to done: surveys the run folder, does what is missing, and leaves nothing else behind."""

import random
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from manifests.errors import UserError
from manifests.recipe import Recipe, dump_recipe
from pipeline.commit import DATASET_FOLDER, MARKER_SUFFIX, Damaged, marker_name, read_marker
from pipeline.executors import Executor
from pipeline.executors.choose import HERE, Where
from pipeline.lock import RunLock
from pipeline.plan import ALL, Pipeline, Unit
from pipeline.progress import Progress
from pipeline.registry import STAGES
from pipeline.store import Store
from pipeline.survey import DONE, Survey
from pipeline.work import Task

RECIPE_FILE = "recipe.yaml"
_VERDICT = ["outcome", "stage", "reason"]


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
            store.write(RECIPE_FILE, dump_recipe(recipe).encode())
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
        self._planned_samples = 0

    def drive(self) -> Summary:
        if self._all_done():
            return self._summary()
        if not self.survey.retry_failed:
            self.survey = Survey(self.pipeline, self.store, revive=True)
        with self.progress, closing(self.where.open(self.pipeline, self.store)) as executor:
            for chains in self._waves():
                self._flow(chains, executor)
        if self.until:
            return Summary(self._count, {}, {})
        self._prune()
        return self._summary()

    def _summary(self) -> Summary:
        return Summary(self._count, outcomes(self.survey), rejected(self.survey))

    def _all_done(self) -> bool:
        return all(self.survey.state(u).kind == DONE for chains in self._waves() for chain in chains for u in chain)

    def _waves(self) -> Iterator[list[list[Unit]]]:
        for chains in self.survey.waves():
            if not self.until:
                yield chains
                continue
            cut = [self._until(chain) for chain in chains]
            yield cut
            if any(chain and chain[-1].stage == self.until for chain in cut):
                return

    def _until(self, chain: list[Unit]) -> list[Unit]:
        names = [u.stage for u in chain]
        return chain[: names.index(str(self.until)) + 1] if self.until in names else chain

    def _flow(self, chains: list[list[Unit]], executor: Executor) -> None:
        """All chains of a wave, at most `slots` units at a time; a chain that has begun goes first."""
        self._announce(chains)
        ready = deque(chains)
        if self._order:
            self._order.shuffle(ready)
        running: dict[tuple[str, str], tuple[Unit, list[Unit]]] = {}
        landed: list[tuple[Unit, list[Unit], dict]] = []
        while ready or running or landed:
            self.lock.check()
            self._fill(ready, running, executor)  # free hands get work first, the books wait
            for unit, rest, row in landed:
                self._finished(unit, row)
                ready.appendleft(rest)
            self._fill(ready, running, executor)
            landed = [(*running.pop((d.task.stage, d.task.name)), d.row) for d in executor.wait()] if running else []

    def _fill(self, ready: deque, running: dict, executor: Executor) -> None:
        while ready and len(running) < executor.slots:
            unit, rest = self._next(ready.popleft())
            if unit:
                running[unit.key] = (unit, rest)
                self._start(unit, executor)

    def _next(self, chain: list[Unit]) -> tuple[Unit | None, list[Unit]]:
        """The first unit of a chain that is not done, and what comes after it."""
        for i, unit in enumerate(chain):
            if self.survey.state(unit).kind != DONE:
                return unit, chain[i + 1 :]
        return None, []

    def _start(self, unit: Unit, executor: Executor) -> None:
        stage = self.pipeline.by_name[unit.stage]
        if self._count == 0:
            self._retract_index()
        if not self.progress.tallies[unit.stage].first:
            executor.prepare(stage, self.pipeline.configs[unit.stage])
        self.progress.begun(unit.stage)
        declared = self.pipeline.declared[unit.stage]
        device = self.pipeline.recipe.run.device
        executor.submit(Task.of(unit, self.survey.inputs(unit), declared, stage.scope == "dataset", device))

    def _finished(self, unit: Unit, row: dict) -> None:
        self._count += 1
        self.survey.finished(unit)
        self.progress.unit(row)
        if unit.stage == "select":
            self.progress.surplus = outcomes(self.survey).get("surplus", 0)
        self._check_ceiling(row)

    def _check_ceiling(self, row: dict) -> None:
        failed, ceiling = self.progress.failed(), self.pipeline.recipe.run.failed_ceiling
        if failed > ceiling * self._planned_samples:
            raise UserError(
                f"{failed} of {self._planned_samples} samples failed, more than run.failed_ceiling allows ({ceiling:.2%}); "
                f"the last in stage {row['stage']}, unit {row['unit']}; `skep status` lists them, --retry-failed tries them again"
            )

    def _announce(self, chains: list[list[Unit]]) -> None:
        """Tell the progress display what this wave holds and what of it is done."""
        self._planned_samples = max(self._planned_samples, sum(c[0].partition.size for c in chains if c and c[0].partition))
        units: dict[str, list[Unit]] = {}
        for unit in (u for chain in chains for u in chain):
            units.setdefault(unit.stage, []).append(unit)
        for stage, group in units.items():
            states = [self.survey.state(u) for u in group]
            rows = [s.marker.rows for s in states if s.kind == DONE and s.marker]
            self.progress.plan(stage, len(group), len(rows), rows)

    def _retract_index(self) -> None:
        """The dataset is not whole any more: take its index away until it is."""
        last = self.pipeline.stages[-1]
        if last.scope == "dataset":
            _retract(self.store, last.name, ALL, keep=set())

    def _prune(self) -> None:
        """Take away shards that a larger or smaller dataset no longer has: what a listing does not show is in no index either."""
        planned = {u.key: u for chains in self.survey.waves() for chain in chains for u in chain}
        markers = [self.survey.state(u).marker for u in planned.values()]
        keep = {name for m in markers if m for name in m.files}
        first_dataset = next((i for i, s in enumerate(self.pipeline.stages) if s.scope == "dataset"), len(self.pipeline.stages))
        for stage in self.pipeline.stages[first_dataset:]:
            for unit in _committed(self.store, stage.name):
                if (stage.name, unit) not in planned:
                    _retract(self.store, stage.name, unit, keep)


def outcomes(survey: Survey) -> dict[str, int]:
    """Samples by outcome, from the last dataset table that has one."""
    return dict(Counter(row["outcome"] for row in _verdicts(survey)))


def rejected(survey: Survey) -> dict[str, int]:
    """Rejected samples by stage and reason, the commonest first; what a reason adds after a colon is left out."""
    rows = [row for row in _verdicts(survey) if row["outcome"] == "rejected"]
    return dict(Counter(f"{row['stage']}: {row['reason'].partition(':')[0]}" for row in rows).most_common())


def _verdicts(survey: Survey) -> list[dict]:
    found: list[dict] = []
    for chains in survey.waves():
        for unit in (chain[0] for chain in chains if chain):
            if set(_VERDICT) <= set(survey.pipeline.by_name[unit.stage].writes.names):
                table = survey.read(unit)
                found = table.select(_VERDICT).to_pylist() if table is not None else found
    return found


def _committed(store: Store, stage: str) -> list[str]:
    return [n.removesuffix(MARKER_SUFFIX) for n in store.list(stage) if n.endswith(MARKER_SUFFIX)]


def _retract(store: Store, stage: str, unit: str, keep: set[str]) -> None:
    """Undo a commit: the marker first, then its files, but for those that other units own."""
    try:
        marker = read_marker(store, stage, unit)
    except Damaged:
        marker = None
    store.remove(marker_name(stage, unit))
    for name in marker.files if marker else {}:
        if name.startswith(f"{DATASET_FOLDER}/") and name not in keep:
            store.remove(name)
