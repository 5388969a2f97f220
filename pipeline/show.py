"""Contact sheets of a stage's rows."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from manifests.errors import UserError
from manifests.schema import rows_of
from manifests.stage import Stage
from pipeline.commit import table_name
from pipeline.page import page, png_of
from pipeline.plan import Pipeline
from pipeline.store import Store
from pipeline.survey import DONE, Survey
from pipeline.tables import Reader
from pipeline.work import answers_by_row

LINE = 14  # height of a line of a caption


def contact_sheet(pipeline: Pipeline, store: Store, stage_name: str, count: int, columns: int, cell: int) -> tuple[str, int]:
    """Write `sheets/<stage>.png` and `.html` with up to `count` rows spread over the run.

    Returns the name of the picture and the number of rows shown.
    """
    stage_class = pipeline.by_name.get(stage_name)
    if stage_class is None or not answers_by_row(stage_class):
        shown = ", ".join(s.name for s in pipeline.stages if answers_by_row(s))
        raise UserError(f"--stage {stage_name}: expected one of {shown}")
    stage = stage_class(pipeline.configs[stage_name])
    rows = list(_rows(pipeline, store, stage_class, count))
    if not rows:
        raise UserError(f"{store.url}: stage {stage_name} has made nothing yet")
    pictures = [Image.fromarray(stage.preview(row)).convert("RGB") for row in rows]
    name = f"sheets/{stage_name}"
    store.write(f"{name}.png", png_of(_grid([_cell(p, row, cell) for p, row in zip(pictures, rows, strict=True)], columns)))
    store.write(f"{name}.html", page(f"{pipeline.recipe.name}: {stage_name}", rows, pictures, _documents(pipeline)).encode())
    return f"{name}.png", len(rows)


def _documents(pipeline: Pipeline) -> dict[str, pa.Field]:
    """The schema's field of every column that a stage writes."""
    return {field.name: field for stage in pipeline.stages for field in stage.writes}


def _rows(pipeline: Pipeline, store: Store, stage: type[Stage], count: int) -> Iterator[dict]:
    """Evenly spread rows, with every column known when the stage was done."""
    survey, reader = Survey(pipeline, store), Reader(pipeline, store)
    names = [u.name for u in survey.units([stage.name]) if survey.state(u).kind == DONE and store.exists(table_name(*u.key))]
    ids = [i for name in names for i in ((name, s) for s in reader.ids(stage, name))]
    picked = [ids[k] for k in np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int)] if ids else []
    known = tuple(c for s in pipeline.stages[: pipeline.stages.index(stage) + 1] for c in s.writes.names)
    for name in dict.fromkeys(n for n, _ in picked):
        table = reader.gather(known, name, pa.chunked_array([[s for n, s in picked if n == name]]), reasons_of=stage)
        yield from rows_of(table)


def _cell(picture: Image.Image, row: dict, size: int) -> Image.Image:
    """A picture above its name and, if it was rejected, the reason."""
    cell = Image.new("RGB", (size, size + 2 * LINE), "white")
    cell.paste(picture.resize((size, size), Image.Resampling.LANCZOS), (0, 0))
    pen = ImageDraw.Draw(cell)
    pen.text((2, size + 1), row["sample_id"], fill="black")
    pen.text((2, size + 1 + LINE), row["reason"], fill=(200, 30, 40))
    return cell


def _grid(cells: list[Image.Image], columns: int) -> Image.Image:
    width, height = cells[0].size
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (width * min(columns, len(cells)), height * rows), "white")
    for i, cell in enumerate(cells):
        sheet.paste(cell, (width * (i % columns), height * (i // columns)))
    return sheet
