"""The filter stage: sketches that do not show what their labels say are rejected with a reason."""

import cv2
import numpy as np
import pyarrow as pa

from manifests import schema
from manifests.stage import Context, Fact, Resources, Stage
from stages.filters import ink
from stages.filters.fingerprint import SIDE, fingerprint
from stages.pictures import UNREADABLE, decode

_LABELS = ("joints2d", "visibility", "bbox")
_AT_ONCE = 32  # pictures that are held decoded


class Filter(Stage):
    """Looks at each picture alone; keeps every row, with its scores, and the reason where it is rejected."""

    name = "filter"
    version = 9
    config = ("filter",)
    reads = ("image", *_LABELS)
    writes = schema.FILTER
    told = tuple(name for name in schema.FILTER.names if name.startswith(schema.SCORE))
    resources = Resources(model=True)

    def setup(self, device: str) -> None:
        """Load the detector; OpenCV and torch keep to the one thread that the stage declares."""
        from stages.filters.inspector import Inspector  # torch and transformers: seconds, which no other command should wait

        cv2.setNumThreads(1)
        self.inspector = Inspector(self.cfg.filter, device)

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        """The verdict on each row."""
        made: list[dict] = []
        for first in range(0, len(table), _AT_ONCE):
            made += self._judged(list(schema.rows_of(table.slice(first, _AT_ONCE))))
        return schema.to_table(schema.FILTER, {name: [row[name] for row in made] for name in schema.FILTER.names})

    def made_with(self) -> dict:
        """The version of torch: near a threshold another one may decide otherwise."""
        import torch

        return {"torch": torch.__version__.partition("+")[0]}

    def preview(self, row: dict) -> np.ndarray:
        """The picture, or a grey square where it cannot be read."""
        picture = decode(row["image"])
        return np.full((256, 256, 3), 235, np.uint8) if picture is None else picture

    def facts(self, table: pa.Table) -> list[Fact]:
        """Every score."""
        about = {name: schema.FILTER.field(name).metadata[b"doc"].decode() for name in self.told}
        return [Fact(name.removeprefix(schema.SCORE), table[name].to_numpy(), "score", about=about[name]) for name in self.told]

    def _judged(self, rows: list[dict]) -> list[dict]:
        """Rows of schema.FILTER. Pictures without ink on them are not shown to the detector."""
        made, shown = [], []
        for i, row in enumerate(rows):
            picture = decode(row["image"])
            made.append({"sample_id": row["sample_id"], **self._first_glance(picture)})
            if picture is not None and not made[-1]["reason"]:
                shown.append((i, picture))
        verdicts = self.inspector.verdicts([picture for _, picture in shown], [rows[i] for i, _ in shown])
        for (i, _), (reason, scores) in zip(shown, verdicts, strict=True):
            made[i] |= {"reason": reason} | {f"{schema.SCORE}{name}": score for name, score in scores.items()}
        return made

    def _first_glance(self, picture: np.ndarray | None) -> dict:
        """The row of a picture before the detector has seen it."""
        row: dict = dict.fromkeys(self.told, 0.0)
        if picture is None:
            return {**row, "reason": UNREADABLE, "picture_hash": 0, "thumbnail": np.zeros((SIDE, SIDE), np.uint8)}
        _, row["reason"], row["score_ink"] = ink.check(picture, self.cfg.filter.ink)
        row["picture_hash"], row["thumbnail"] = fingerprint(picture)
        return row
