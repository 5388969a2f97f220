"""Finds every committed file that is not what its marker says, and clears away what is no longer needed."""

from collections.abc import Iterator
from contextlib import nullcontext

from manifests.errors import UserError
from pipeline.commit import Damaged, clean, committed, damage, marker_name, read_marker, sound_marker
from pipeline.lock import RunLock
from pipeline.plan import Pipeline
from pipeline.store import Store
from pipeline.survey import DONE, State, Survey


def verify(pipeline: Pipeline, store: Store, drop: bool = False) -> Iterator[str]:
    """A sentence for everything that is not as its marker says. `drop` takes the markers of damaged units away, with the folder's lock."""
    with RunLock(store) if drop else nullcontext():
        survey = Survey(pipeline, store, lenient=True)
        for unit in list(survey.units()):  # all of them, before anything is dropped
            problems = list(_unit_damage(store, *unit.key))
            yield from problems
            if problems and drop:
                store.remove(marker_name(*unit.key))
            if not problems and survey.state(unit).kind != DONE:
                yield _not_done(unit.key, survey.state(unit))


def _unit_damage(store: Store, stage: str, unit: str) -> Iterator[str]:
    try:
        marker = read_marker(store, stage, unit)
    except Damaged as e:
        yield str(e)
        return
    if marker:
        yield from damage(store, marker)


def _not_done(key: tuple[str, str], state: State) -> str:
    return f"{key[0]}/{key[1]} is {state.kind}{f': {state.why}' if state.why else ''}"


def clean_run(pipeline: Pipeline, store: Store) -> int:
    """Remove the tables that only led to the shards, once everything verifies. Returns the bytes freed."""
    with RunLock(store):
        problems = list(verify(pipeline, store))
        if problems:
            raise UserError(f"{store.url}: not cleaned, {problems[0]}" + (f" (and {len(problems) - 1} more)" if problems[1:] else ""))
        stages = [s.name for s in pipeline.segments[0].stages]
        markers = (sound_marker(store, stage, unit) for stage in stages for unit in committed(store, stage))
        return sum(clean(store, m) for m in markers if m)
