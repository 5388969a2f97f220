"""The samples that the report shows: chosen by their ids alone, as small pictures with their labels."""

import base64
import heapq
import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, UnidentifiedImageError

from manifests.dataset import tallied
from manifests.randomness import order_key
from manifests.schema import REASON, SCORE, rows_of
from manifests.stage import Stage
from pipeline.partitions import partition_of
from pipeline.report.folder import PASSED, Folder

OF_A_STYLE, OF_A_REASON, REASONS = 24, 12, 24  # samples shown, and reasons that samples are shown of
SIDE, QUALITY = 256, 70  # of pictures, at most
_WORDS = ("motion", "appearance", "proportions", "source_id")
_UNKNOWN = (UnidentifiedImageError, OSError, ValueError, SyntaxError)


def gallery(folder: Folder) -> dict[str, list[str]]:
    """Ids to show of what was kept, or of what has come so far, by style in the recipe's order."""
    outcome = "kept" if folder.is_judged else PASSED
    table = folder.verdicts.filter(pc.equal(folder.verdicts["outcome"], outcome))
    styles = {style: table.filter(pc.equal(table["style"], style)) for style in folder.pipeline.recipe.styles}
    return {style: _first(rows, folder, OF_A_STYLE) for style, rows in styles.items() if len(rows)}


def losses(folder: Folder) -> list[dict]:
    """How many samples ended in each way but kept, most first: outcome, stage, reason, samples, styles, and ids to show."""
    groups: dict[tuple[str, str, str], dict[str, int]] = {}
    for row in tallied(folder.verdicts).to_pylist():
        if row["outcome"] not in ("kept", PASSED):
            styles = groups.setdefault((row["outcome"], row["stage"], row["reason"]), {})
            styles[row["style"]] = styles.get(row["style"], 0) + row["samples"]
    ranked = sorted(groups.items(), key=lambda group: (-sum(group[1].values()), group[0]))
    return [
        {**dict(zip(("outcome", "stage", "reason"), key, strict=True)), "samples": sum(styles.values()), "styles": styles,
         "shown": _first(_of(folder.verdicts, *key), folder, OF_A_REASON) if number < REASONS else []}
        for number, (key, styles) in enumerate(ranked)
    ]  # fmt: skip


def records(folder: Folder, ids: Iterable[str], body: Any) -> dict[str, dict]:
    """What the page is told of each sample, by id: words, picture and labels as far as its tables have them."""
    verdicts = folder.verdicts.filter(pc.is_in(folder.verdicts["sample_id"], pa.array(sorted(ids), pa.string()))).to_pylist()
    groups: dict[tuple[str, str], list[str]] = {}
    for row in verdicts:
        unit = partition_of(row["sample_id"], folder.pipeline.recipe.partition_size).name
        if stage := _reached(folder, row, unit):
            groups.setdefault((unit, stage.name), []).append(row["sample_id"])
    found = {row["sample_id"]: row for row in verdicts}
    artist = _Artist(folder)
    for (unit, last), some in sorted(groups.items()):
        for row in _rows(folder, unit, last, some):
            found[row["sample_id"]] |= _labels(row) | placed(body.of_row(row)) | artist.picture(row, last)
    return found


def placed(figure: Any) -> dict[str, Any]:
    """A coarse.Placed as the page wants it: bytes in base64, joints in millimetres."""
    return {
        "betas": [round(float(b), 3) for b in figure.betas],
        "moves": as_text(figure.moves.astype("<f4").tobytes()),
        "joints3d": np.round(1000 * figure.joints16).astype(int).ravel().tolist(),
    }


def as_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _first(rows: pa.Table, folder: Folder, count: int) -> list[str]:
    """The ids that come first in the dataset's own order."""
    seed = folder.pipeline.recipe.seed
    return heapq.nsmallest(count, rows["sample_id"].to_pylist(), key=lambda sample_id: (order_key(seed, sample_id), sample_id))


def _of(verdicts: pa.Table, outcome: str, stage: str, reason: str) -> pa.Table:
    """Rows of one group of tallies; their reasons may go on after a colon."""
    same = pc.and_(pc.equal(verdicts["outcome"], outcome), pc.equal(verdicts["stage"], stage))
    begins = pc.or_(pc.equal(verdicts["reason"], reason), pc.starts_with(verdicts["reason"], f"{reason}:"))
    return verdicts.filter(pc.and_(same, begins))


def _reached(folder: Folder, verdict: dict, unit: str) -> type[Stage] | None:
    """The last stage whose table has a row of the sample, if it is there."""
    stages = folder.stages_of.get(unit, [])
    names = [stage.name for stage in stages]
    if verdict["stage"] not in names:
        return stages[-1] if stages else None
    at = names.index(verdict["stage"]) - (verdict["outcome"] == "failed")
    return stages[at] if at >= 0 else None


def _rows(folder: Folder, unit: str, stage: str, ids: list[str]) -> Iterator[dict]:
    """Rows with every column known when the stage was done."""
    stages = folder.chain[: [s.name for s in folder.chain].index(stage) + 1]
    known = tuple(name for s in stages for name in s.writes.names if name != REASON.name)
    yield from rows_of(folder.reader.gather(known, unit, pa.chunked_array([ids])))


def _labels(row: dict) -> dict[str, Any]:
    scores = {name.removeprefix(SCORE): round(value, 3) for name, value in row.items() if name.startswith(SCORE)}
    seen = {"visibility": row["visibility"].tolist()} if "visibility" in row else {}
    return {**{name: row[name] for name in _WORDS if name in row}, **seen, "scores": scores}


class _Artist:
    """Makes small pictures; where a sample has none yet, the last stage draws what there is of it."""

    def __init__(self, folder: Folder):
        self._folder, self._ready = folder, dict[str, Stage]()

    def picture(self, row: dict, stage: str) -> dict[str, Any]:
        """picture and, where it is the sketch itself, joints in thousandths of its side; nothing where it cannot be decoded."""
        if "image" not in row:
            return {"picture": small(Image.fromarray(self._stage(stage).preview(row)))}
        try:
            image = Image.open(io.BytesIO(row["image"]), formats=("PNG", "JPEG"))
            return {"picture": small(image), "joints": np.round(1000 * row["joints2d"] / image.width).astype(int).ravel().tolist()}
        except _UNKNOWN:
            return {}

    def _stage(self, name: str) -> Stage:
        if name not in self._ready:
            pipeline = self._folder.pipeline
            self._ready[name] = pipeline.by_name[name](pipeline.configs[name])
        return self._ready[name]


def small(image: Image.Image) -> str:
    """The picture, not larger than SIDE, as WebP in base64."""
    data = io.BytesIO()
    image = image.convert("RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    image.save(data, "WEBP", quality=QUALITY)
    return as_text(data.getvalue())
