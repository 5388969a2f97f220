"""The samples of a run as a reviewer sees them: verdicts and scores from the tables, pictures and labels when they are asked for."""

from dataclasses import dataclass, field

import pyarrow as pa

from manifests.errors import UserError
from manifests.sample import style_of
from manifests.schema import SCORE, part_of, rows_of
from manifests.stage import Stage
from pipeline.commit import read_table, table_name
from pipeline.plan import Pipeline
from pipeline.store import Store
from pipeline.survey import DONE, Survey
from pipeline.tables import Reader

_SHOWN = ("joints2d", "visibility", "bbox", "motion", "appearance")


@dataclass(frozen=True)
class Sample:
    """One sample: where it is, what became of it and why, and its scores by name."""

    sample_id: str
    style: str
    unit: str
    outcome: str
    reason: str
    scores: dict[str, float] = field(default_factory=dict)


class Samples:
    """All samples of a run that have a picture, by id."""

    def __init__(self, pipeline: Pipeline, store: Store):
        self._reader = Reader(pipeline, store)
        self._stage: type[Stage] = pipeline.segments[0].stages[-1]
        survey = Survey(pipeline, store, lenient=True)
        units = [u for u in survey.units() if survey.state(u).kind == DONE]
        verdicts = self._verdicts([survey.read(u) for u in units if "outcome" in pipeline.by_name[u.stage].writes.names])
        self.by_id: dict[str, Sample] = {}
        for name in dict.fromkeys(u.name for u in units if u.stage == self._stage.name):
            if store.exists(table_name(self._stage.name, name)):
                for row in read_table(store, table_name(self._stage.name, name), self._columns()).to_pylist():
                    self.by_id[row["sample_id"]] = _sample(row, name, verdicts)
        if not self.by_id:
            raise UserError(f"{store.url}: stage {self._stage.name} has made nothing that is still there; run it first")

    def find(self, sample_id: str) -> Sample:
        """The sample of an id; KeyError where there is none."""
        return self.by_id[sample_id]

    def picture(self, sample_id: str) -> tuple[bytes, str]:
        """The encoded picture, and `png` or `jpg`."""
        row = self._row(sample_id, ("image", "image_format"))
        return row["image"], row["image_format"]

    def labels(self, sample_id: str) -> dict:
        """Labels and words to show over and beside the picture, as plain lists."""
        row = self._row(sample_id, _SHOWN)
        return {name: row[name].tolist() if hasattr(row[name], "tolist") else row[name] for name in _SHOWN}

    def _columns(self) -> pa.Schema:
        writes = self._stage.writes
        return part_of(writes, ["sample_id", "reason", *(name for name in writes.names if name.startswith(SCORE))])

    def _row(self, sample_id: str, columns: tuple[str, ...]) -> dict:
        table = self._reader.gather(columns, self.find(sample_id).unit, pa.chunked_array([[sample_id]]))
        return next(rows_of(table))

    @staticmethod
    def _verdicts(tables: list[pa.Table | None]) -> dict[str, dict]:
        """What select has said of each sample, in its last round."""
        rows = [
            table.select(["sample_id", "outcome", "reason"]).to_pylist() for table in tables if table and "sample_id" in table.column_names
        ]
        return {row["sample_id"]: row for row in (rows[-1] if rows else [])}


def _sample(row: dict, unit: str, verdicts: dict[str, dict]) -> Sample:
    """Without a verdict of select, that of the stage itself."""
    own = {"outcome": "rejected" if row["reason"] else "passed", "reason": row["reason"]}
    verdict = verdicts.get(row["sample_id"], own)
    scores = {name.removeprefix(SCORE): round(value, 4) for name, value in row.items() if name.startswith(SCORE)}
    style = style_of(row["sample_id"])
    # The filter's reason stays to be seen, whatever became of the sample later.
    return Sample(row["sample_id"], style, unit, verdict["outcome"], row["reason"] or verdict["reason"], scores)
