"""Takes away what a dataset no longer has, so that no kill leaves an index over other shards, nor shards that no index names."""

import re

from pipeline.commit import DATASET_FOLDER, INDEX, committed, marker_name, sound_marker
from pipeline.plan import ALL, Pipeline
from pipeline.store import Store
from pipeline.survey import Survey

_SHARD = re.compile(r"((?:train|val)-\d{6,})\.tar")


def retract_index(pipeline: Pipeline, store: Store) -> None:
    """The dataset is not whole any more: take its index away until it is, the file first, as readers look for that."""
    last = pipeline.stages[-1]
    if last.scope == "dataset":
        store.remove(INDEX)
        _retract(store, last.name, ALL, keep=set())


def prune(pipeline: Pipeline, store: Store, survey: Survey) -> None:
    """Take away shards that a larger or smaller dataset no longer has: what a listing does not show is in no index either."""
    scopes = [s.scope for s in pipeline.stages]
    late = [s.name for s in pipeline.stages[scopes.index("dataset") :]] if "dataset" in scopes else []
    planned = {unit.key for unit in survey.units(late)}
    left = [(stage, unit) for stage in late for unit in committed(store, stage) if (stage, unit) not in planned]
    stray = _stray_shards(store, {unit for _, unit in planned}) if late else []
    keep = {name for key in planned if left or stray for name in _files(store, *key)}
    for stage, unit in left:
        _retract(store, stage, unit, keep)
    for name in stray:
        if name not in keep:
            store.remove(name)


def _stray_shards(store: Store, units: set[str]) -> list[str]:
    """Shards called like no unit: where a kill came between a marker and its file, no marker tells of them."""
    found = ((name, _SHARD.fullmatch(name)) for name in store.list(DATASET_FOLDER))
    return [f"{DATASET_FOLDER}/{name}" for name, shard in found if shard and shard[1] not in units]


def _files(store: Store, stage: str, unit: str) -> list[str]:
    """What a unit committed, as far as its marker can tell."""
    marker = sound_marker(store, stage, unit)
    return list(marker.files) if marker else []


def _retract(store: Store, stage: str, unit: str, keep: set[str]) -> None:
    """Undo a commit: the marker first, then its files, but for those that other units own."""
    names = _files(store, stage, unit)
    store.remove(marker_name(stage, unit))
    for name in names:
        if name.startswith(f"{DATASET_FOLDER}/") and name not in keep:
            store.remove(name)
