"""One sample drawn again, alone, and compared with what the run holds."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from manifests.errors import UserError
from manifests.sample import prompt_of, style_of
from manifests.schema import PLANNED, rows_of
from manifests.stage import Context, widened
from pipeline.commit import UnitSink, sound_marker, table_name
from pipeline.partitions import partition_of
from pipeline.plan import Pipeline
from pipeline.store import Store
from pipeline.survey import Survey
from pipeline.tables import Reader
from pipeline.threads import hold_threads
from pipeline.work import device_of

STAGE = "sketches"


@dataclass(frozen=True)
class Redrawn:
    """name: of the picture in the run folder; prompt, noise_seed and pose (24, 3) of the sample; seed: of the recipe; same: the bytes
    are those of the run, None where the run has no picture of the sample."""

    name: str
    prompt: str
    generator: str
    seed: int
    noise_seed: int
    pose: np.ndarray
    same: bool | None


def regenerate(pipeline: Pipeline, store: Store, sample_id: str, packed: Callable[[str], bytes | None] = lambda _: None) -> Redrawn:
    """Draw a sample of a run again into `redrawn/<sample id>.<format>`, from the run's labels, or from the id where they are gone.

    packed: gives the picture that the run's shards hold of a sample, to compare with where its table was cleaned.
    """
    unit = _unit_of(pipeline, store, sample_id)
    stage_class = pipeline.by_name[STAGE]
    reader, ids = Reader(pipeline, store), pa.chunked_array([[sample_id]])
    columns = (*stage_class.reads, "pose")
    kept = all(store.exists(table_name(s, unit)) for s in {"projections", *(pipeline.producer(c).name for c in columns)})
    if kept and sample_id not in reader.ids(pipeline.by_name["projections"], unit):
        raise UserError(f"{sample_id}: not among the projected samples of {store.url}")
    row = reader.gather(columns, unit, ids) if kept else _made_alone(pipeline, sample_id)
    stage = stage_class(pipeline.configs[STAGE])
    device = device_of(pipeline, STAGE)
    stage.setup(device)
    hold_threads(stage)
    marker = sound_marker(store, STAGE, unit)
    stage.recall(marker.environment if marker else {})
    ctx = Context(pipeline.recipe.seed, STAGE, unit, UnitSink(store), device, pa.table({}))
    made = next(rows_of(stage.process(row.select(["sample_id", "style", *stage_class.reads]), ctx)))
    given = next(rows_of(row))
    name = f"redrawn/{sample_id}.{made['image_format']}"
    store.write(name, made["image"])
    prompt = prompt_of(given["style"], made["appearance"], given["motion"])
    held = _held(reader, unit, ids, packed) if marker else None
    same = None if held is None else held == made["image"]
    return Redrawn(name, prompt, made["generator"], pipeline.recipe.seed, made["noise_seed"], given["pose"], same)


def _made_alone(pipeline: Pipeline, sample_id: str) -> pa.Table:
    """The row of a sample that no table holds any more: its labels follow from the recipe and its id alone."""
    known = pa.table([[sample_id], [style_of(sample_id)]], schema=PLANNED)
    for kind in pipeline.stages[: pipeline.stages.index(pipeline.by_name[STAGE])]:
        stage = kind(pipeline.configs[kind.name])
        stage.setup("cpu")
        hold_threads(stage)
        known = widened(known, stage, pipeline.recipe.seed)
        if reason := known["reason"][0].as_py():
            raise UserError(f"{sample_id}: rejected by the stage {kind.name}: {reason}")
    return known


def _unit_of(pipeline: Pipeline, store: Store, sample_id: str) -> str:
    style, _, number = sample_id.rpartition("-")
    if style not in pipeline.recipe.styles or not re.fullmatch("[0-9]{6}|[1-9][0-9]{6,}", number):
        raise UserError(f"{sample_id}: not a sample id of this recipe; expected one such as {pipeline.recipe.styles[0]}-000000")
    unit = partition_of(sample_id, pipeline.recipe.partition_size).name
    if all(planned.name != unit for planned in Survey(pipeline, store).units([STAGE])):
        raise UserError(f"{sample_id}: not among the samples that {store.url} is to hold")
    return unit


def _held(reader: Reader, unit: str, ids: pa.ChunkedArray, packed: Callable[[str], bytes | None]) -> bytes | None:
    """The run's own picture of the sample: in its table, or where that was cleaned in its shard. None where the sample never came so
    far, or its picture was not kept."""
    if not reader.store.exists(table_name(STAGE, unit)):
        return packed(ids[0].as_py())
    if ids[0].as_py() not in reader.ids(reader.pipeline.by_name[STAGE], unit):
        return None
    return reader.gather(("image",), unit, ids)["image"][0].as_py()
