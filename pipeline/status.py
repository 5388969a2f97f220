"""What a run folder says of itself: done, stale and why, failed, to do."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from manifests.errors import UserError
from manifests.recipe import Recipe
from manifests.recipe_files import parse_recipe
from pipeline.commit import read_failed
from pipeline.plan import Pipeline
from pipeline.store import RECIPE_FILE, Store
from pipeline.survey import DONE, Survey


@dataclass
class StageStatus:
    """Units of one stage by state, why they are stale, and the samples it rejected or failed."""

    counts: Counter = field(default_factory=Counter)
    why: Counter = field(default_factory=Counter)
    rejected: int = 0
    failed: int = 0


def frozen_recipe(store: Store, overrides: list[str] | None = None) -> Recipe:
    """The recipe that the folder was last run with, `key=value` overrides applied."""
    try:
        text = store.read(RECIPE_FILE)
    except FileNotFoundError:
        raise UserError(f"{store.url}: not a run folder, it has no {RECIPE_FILE}") from None
    return parse_recipe(text.decode(errors="replace"), store.path(RECIPE_FILE), overrides)


def status(pipeline: Pipeline, store: Store) -> dict[str, StageStatus]:
    """Of each stage: what is done, stale and why, failed, to do, as far as committed tables tell; as the next launch will find it."""
    survey = Survey(pipeline, store)
    found = status_of(survey)
    if survey.met_cleaned and survey.needs_cleaned(survey.units()):
        return status_of(Survey(pipeline, store, revive=True))
    return found


def status_of(survey: Survey) -> dict[str, StageStatus]:
    """The same of a survey."""
    stages = {name: StageStatus() for name in survey.pipeline.by_name}
    for unit in survey.units():
        state, entry = survey.state(unit), stages[unit.stage]
        entry.counts[state.kind] += 1
        if state.kind != DONE and state.why:
            entry.why[state.why] += 1
        if state.kind == DONE:
            entry.rejected += state.rejected
            entry.failed += state.failed
    return stages


def failures(pipeline: Pipeline, store: Store) -> Iterator[dict]:
    """Rows of schema.FAILED of all committed units."""
    survey = Survey(pipeline, store)
    for unit in survey.units():
        failed = read_failed(store, *unit.key) if survey.state(unit).failed else None
        if failed is not None:
            yield from failed.to_pylist()
