"""A run folder as the report reads it: which tables are there, and what they say became of every sample."""

from functools import cached_property

import pyarrow as pa

from manifests.dataset import FILE, Index, read_index
from manifests.schema import LOSSES
from manifests.stage import Stage
from pipeline.commit import DATASET_FOLDER, read_table, table_name
from pipeline.plan import ALL, Pipeline
from pipeline.status import StageStatus, status_of
from pipeline.store import Store
from pipeline.survey import DONE, Survey
from pipeline.tables import Reader

PASSED = "passed"  # outcome of a sample that has come so far, in a run that has not judged it yet


class Folder:
    """Looks at a run folder without changing it. What is stale counts as not there."""

    def __init__(self, pipeline: Pipeline, store: Store):
        self.pipeline, self.store = pipeline, store
        self.reader, self._survey = Reader(pipeline, store), Survey(pipeline, store)
        self.units: dict[str, list[str]] = {stage.name: [] for stage in pipeline.stages}  # by stage, those whose tables are there
        for unit in self._survey.units():
            if self._survey.state(unit).kind == DONE and store.exists(table_name(*unit.key)):
                self.units[unit.stage].append(unit.name)

    @property
    def chain(self) -> tuple[type[Stage], ...]:
        """The stages that have a table a partition, in their order."""
        return self.pipeline.segments[0].stages

    @cached_property
    def stages_of(self) -> dict[str, list[type[Stage]]]:
        """Of each partition the stages whose tables are there."""
        found: dict[str, list[type[Stage]]] = {}
        for stage in self.chain:
            for name in self.units[stage.name]:
                found.setdefault(name, []).append(stage)
        return found

    @cached_property
    def status(self) -> dict[str, StageStatus]:
        """What is done, stale, failed and to do, by stage."""
        return status_of(self._survey)

    @cached_property
    def index(self) -> Index | None:
        """The index of the dataset, where that is finished and up to date. Raises UserError where it is damaged."""
        name = f"{DATASET_FOLDER}/{FILE}"
        if ALL not in self.units[self.pipeline.stages[-1].name] or not self.store.exists(name):
            return None
        return read_index(self.store.read(name), f"{self.store.url}: {name}")

    @cached_property
    def is_judged(self) -> bool:
        """Whether it is settled what the dataset keeps."""
        closing = self.pipeline.segments[0].closing
        return bool(closing and self.units[closing.name])

    @cached_property
    def verdicts(self) -> pa.Table:
        """schema.LOSSES of every sample that a table names; of those PASSED, `stage` is the last that they have passed."""
        closing = self.pipeline.segments[0].closing
        if closing and self.is_judged:
            return read_table(self.store, table_name(closing.name, self.units[closing.name][-1]), LOSSES)
        tables = [LOSSES.empty_table()]
        for name, stages in self.stages_of.items():
            tables += [self.reader.losses(stage, name) for stage in stages]
            tables.append(self.reader.passed(stages[-1], name, PASSED))
        return pa.concat_tables(tables)
