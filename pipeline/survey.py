"""The state of every unit, from its marker alone: done, stale (which field changed), or to do."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest

import pyarrow as pa

from pipeline.commit import Damaged, DamagedTable, Marker, digest_of, read_marker, read_table, table_name
from pipeline.plan import Pipeline, Unit
from pipeline.store import Store

DONE, STALE, TODO = "done", "stale", "to do"
REQUESTS = 32  # to an object store at a time


@dataclass(frozen=True)
class State:
    """done, stale or to do, and why."""

    kind: str
    why: str = ""
    marker: Marker | None = None


class Survey:
    """Looks at a run folder without changing it; the runner tells it of units that it has finished."""

    def __init__(self, pipeline: Pipeline, store: Store, retry_failed: bool = False, revive: bool = False, lenient: bool = False):
        """lenient: what a damaged table of a dataset stage would have named is not known yet, instead of an error."""
        self.pipeline, self.store = pipeline, store
        self.retry_failed, self.revive, self.lenient = retry_failed, revive, lenient
        self._states: dict[tuple[str, str], State] = {}

    def state(self, unit: Unit) -> State:
        if unit.key not in self._states:
            self._states[unit.key] = self._look(unit)
        return self._states[unit.key]

    def finished(self, unit: Unit) -> State:
        """Read the marker of a unit that has just been committed."""
        self._states[unit.key] = State(DONE, marker=read_marker(self.store, *unit.key))
        return self._states[unit.key]

    def inputs(self, unit: Unit) -> str:
        """Digest of what the unit's upstream units committed; they must be done."""
        markers = [self.state(u).marker for u in unit.upstream]
        return digest_of([m.lineage if m else None for m in markers])

    def waves(self) -> Iterator[list[list[Unit]]]:
        """The pipeline's waves, as far as committed tables tell."""
        for chains in self.pipeline.waves(self.read):
            if not self.store.is_local:
                self._look_ahead(chains)
            yield chains

    def _look_ahead(self, chains: list[list[Unit]]) -> None:
        """Object stores answer slowly but many at a time: all markers of a stage together, earlier stages first."""
        with ThreadPoolExecutor(REQUESTS) as pool:
            for units in zip_longest(*chains):
                list(pool.map(self.state, (u for u in units if u)))

    def read(self, unit: Unit) -> pa.Table | None:
        """The table of a unit, None where it is not done."""
        if self.state(unit).kind != DONE:
            return None
        try:
            return read_table(self.store, table_name(*unit.key))
        except DamagedTable:
            if self.lenient:
                return None
            raise

    def _look(self, unit: Unit) -> State:
        try:
            marker = read_marker(self.store, *unit.key)
        except Damaged as e:
            return State(TODO, str(e))
        if marker is None:
            return State(TODO)
        why = self._why_stale(unit, marker)
        if why:
            return State(STALE, why, marker)
        if marker.cleaned:
            return State(TODO, "its table was cleaned and is needed again") if self.revive else State(DONE, marker=marker)
        if not self.store.exists(table_name(*unit.key)):
            return State(TODO, "its table is missing")
        if self.retry_failed and marker.rows.get("failed"):
            return State(TODO, "failed samples are tried again")
        return State(DONE, marker=marker)

    def _why_stale(self, unit: Unit, marker: Marker) -> str:
        now, then = self.pipeline.declared[unit.stage], marker.declared
        changed = [f"{k}: {_short(then.get(k))} → {_short(now.get(k))}" for k in sorted({*now, *then}) if now.get(k) != then.get(k)]
        if changed:
            return ", ".join(changed)
        if any(self.state(u).kind != DONE for u in unit.upstream):
            return f"{unit.upstream[0].stage} is redone"
        if marker.fingerprint != unit.fingerprint or marker.inputs != self.inputs(unit):
            return f"{unit.upstream[0].stage} changed" if unit.upstream else "planned rows changed"
        return ""


def _short(value) -> str:
    if value is None:
        return "nothing"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
