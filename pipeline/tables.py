"""The input table of a unit, put together from the committed tables of earlier stages."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from manifests.sample import style_of
from manifests.schema import LOSSES, PLANNED, REASON, SAMPLE_ID, SPLIT, STYLE, part_of
from manifests.stage import Stage
from pipeline.commit import ROW_GROUP, opened, read_failed, read_table, table_name
from pipeline.partitions import partition_of
from pipeline.plan import Pipeline
from pipeline.store import Store


@dataclass(frozen=True)
class Inputs:
    """What a stage is given for one unit."""

    table: pa.Table
    ledger: pa.Table = field(default_factory=LOSSES.empty_table)


class Reader:
    """Reads what units need; columns come from the first stage that writes them."""

    def __init__(self, pipeline: Pipeline, store: Store):
        self.pipeline, self.store = pipeline, store

    def partition(self, stage: type[Stage], unit: str, planned: pa.Table, saved: Collection[str] = ()) -> Inputs:
        """The rows of a partition that all earlier stages passed, with the columns that the stage reads.

        saved: ids that come along although the last of those stages rejected them.
        """
        earlier = self._before(stage)
        if not earlier:
            return Inputs(planned)
        last = self._read(earlier[-1].name, unit, ("sample_id", "reason"))
        passed = pc.equal(last["reason"], "")
        if saved:
            passed = pc.or_(passed, pc.is_in(last["sample_id"], pa.array(sorted(saved))))
        return Inputs(self.gather(stage.reads, unit, last.filter(passed).column("sample_id")))

    def dataset(self, stage: type[Stage], units: Iterable[str], closing: str, saved: Collection[str] = ()) -> Inputs:
        """All units together, those `saved` by reviewers among them, and the ledger of what was lost before."""
        earlier, units = self._before(stage), list(units)
        if closing:
            tables = [self._read(earlier[-1].name, unit, tuple(earlier[-1].writes.names)) for unit in units]
            table = pa.concat_tables(tables) if tables else earlier[-1].writes.empty_table()
            return Inputs(table, self._read(self._closing_before(stage).name, closing, None))
        tables, ledgers = [], []
        for unit in units:
            tables.append(self.partition(stage, unit, PLANNED.empty_table(), saved).table)
            ledgers += [self.losses(s, unit) for s in earlier]
        return Inputs(pa.concat_tables(tables), pa.concat_tables(ledgers))

    def shard(self, stage: type[Stage], unit: str, closing: str) -> Inputs:
        """The rows that a dataset stage put into this unit, in the order in which it listed them."""
        verdicts = self._read(self._closing_before(stage).name, closing, ("sample_id", "shard"))
        ids = verdicts.filter(pc.equal(verdicts["shard"], unit)).column("sample_id")
        groups: dict[str, list[str]] = {}
        for sample_id in ids.to_pylist():
            groups.setdefault(partition_of(sample_id, self.pipeline.recipe.partition_size).name, []).append(sample_id)
        parts = [self.gather(stage.reads, name, pa.chunked_array([group])) for name, group in sorted(groups.items())]
        table = pa.concat_tables(parts)
        return Inputs(table.take(pc.index_in(ids, table.column("sample_id"))))

    def _before(self, stage: type[Stage]) -> list[type[Stage]]:
        stages = self.pipeline.stages
        return [s for s in stages[: stages.index(stage)] if s.scope == "partition"]

    def _closing_before(self, stage: type[Stage]) -> type[Stage]:
        stages = self.pipeline.stages
        return [s for s in stages[: stages.index(stage)] if s.scope == "dataset"][-1]

    def ids(self, stage: type[Stage], unit: str) -> list[str]:
        """Samples that a stage answered for in one unit."""
        return self._read(stage.name, unit, ("sample_id",)).column("sample_id").to_pylist()

    def gather(self, columns: tuple[str, ...], unit: str, ids: pa.ChunkedArray, reasons_of: type[Stage] | None = None) -> pa.Table:
        """`sample_id`, `style` and the columns of the given samples of one partition, in the order of `ids`."""
        styles = pa.array([style_of(i) for i in ids.to_pylist()], STYLE.type)
        out = pa.table([ids.combine_chunks(), styles], schema=pa.schema([SAMPLE_ID, STYLE]))
        by_stage: dict[str, list[str]] = {}
        for column in dict.fromkeys(columns):
            if column not in out.schema.names:
                source = reasons_of if reasons_of and column == REASON.name else self.pipeline.producer(column)
                by_stage.setdefault(source.name, []).append(column)
        for stage, names in by_stage.items():
            rows = self._read_rows(stage, unit, names, ids)
            for name in names:
                out = out.append_column(rows.schema.field(name), rows.column(name))
        return out.combine_chunks()

    def _read_rows(self, stage: str, unit: str, columns: list[str], ids: pa.ChunkedArray) -> pa.Table:
        """Only the row groups that hold the samples: shards take few rows from each of many tables."""
        with opened(self.store, table_name(stage, unit), self._schema(stage, ("sample_id", *columns))) as committed:
            rows = pc.index_in(ids, committed.all("sample_id").column("sample_id")).to_pylist()
            table = committed.groups(sorted({row // ROW_GROUP for row in rows}))
        return table.take(pc.index_in(ids, table.column("sample_id")))

    def _read(self, stage: str, unit: str, columns: tuple[str, ...] | None) -> pa.Table:
        return read_table(self.store, table_name(stage, unit), self._schema(stage, columns))

    def _schema(self, stage: str, columns: tuple[str, ...] | None) -> pa.Schema:
        writes = self.pipeline.by_name[stage].writes
        return part_of(writes, columns) if columns else writes

    def losses(self, stage: type[Stage], unit: str) -> pa.Table:
        """schema.LOSSES of one unit: rows that a stage rejected or that failed in it."""
        table = self._read(stage.name, unit, ("sample_id", "reason"))
        parts = [self._loss_rows(table.filter(pc.not_equal(table["reason"], "")), "rejected", stage.name)]
        failed = read_failed(self.store, stage.name, unit)
        if failed is not None:
            parts.append(self._loss_rows(failed, "failed", stage.name))
        return self._with_split(pa.concat_tables(parts), unit)

    def passed(self, stage: type[Stage], unit: str, outcome: str) -> pa.Table:
        """Rows of one unit that a stage let pass, in the same form under this outcome."""
        table = self._read(stage.name, unit, ("sample_id", "reason"))
        return self._with_split(self._loss_rows(table.filter(pc.equal(table["reason"], "")), outcome, stage.name), unit)

    @staticmethod
    def _loss_rows(rows: pa.Table, outcome: str, stage: str) -> pa.Table:
        ids, n = rows.column("sample_id").to_pylist(), len(rows)
        styles = [style_of(i) for i in ids]
        return pa.table([ids, styles, [""] * n, [outcome] * n, [stage] * n, rows.column(REASON.name)], schema=LOSSES)

    def _with_split(self, losses: pa.Table, unit: str) -> pa.Table:
        """Splits of lost rows; empty where the sample failed before it had one."""
        if not len(losses):
            return losses
        have = self._read(self.pipeline.producer("split").name, unit, ("sample_id", "split"))
        splits = have.column("split").take(pc.index_in(losses["sample_id"], have["sample_id"]))
        return losses.set_column(LOSSES.get_field_index("split"), SPLIT, pc.fill_null(splits, ""))
