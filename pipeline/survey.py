"""The state of every unit, from its marker alone: done, stale (which field changed), or to do."""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pyarrow as pa

from pipeline.commit import INDEX, Damaged, DamagedTable, Marker, digest_of_list, read_marker, read_table, table_name
from pipeline.known import Known, State
from pipeline.plan import Pipeline, Unit, Wave
from pipeline.store import Store

DONE, STALE, TODO = "done", "stale", "to do"
REQUESTS = 32  # to an object store at a time


class Survey:
    """Looks at a run folder without changing it; the runner tells it of units that it has finished."""

    def __init__(self, pipeline: Pipeline, store: Store, retry_failed: bool = False, revive: bool = False, lenient: bool = False):
        """lenient: what a damaged table of a dataset stage would have named is not known yet, instead of an error."""
        self.pipeline, self.store = pipeline, store
        self.retry_failed, self.revive, self.lenient = retry_failed, revive, lenient
        self.met_cleaned = False  # a unit whose table `clean` has taken away
        self._known = Known()
        self._looked_ahead = 0  # so many waves

    def state(self, unit: Unit) -> State:
        state = self._known.get(unit)
        if state is None:
            state = self._look(unit)
            self._known.put(unit, state)
        return state

    def finished(self, unit: Unit, lineage: str, rows: dict) -> None:
        """A unit has just been committed, with this lineage and these row counts."""
        self._known.put(unit, State.of(DONE, "", lineage, rows))

    def inputs(self, unit: Unit) -> str:
        """Digest of what the unit's upstream units committed; they must be done."""
        return digest_of_list(self.state(u).lineage for u in unit.upstream)

    def waves(self) -> Iterator[Wave]:
        """The pipeline's waves, as far as committed tables tell."""
        for number, wave in enumerate(self.pipeline.waves(self.read)):
            if not self.store.is_local and number >= self._looked_ahead:
                self._look_ahead(wave)
                self._looked_ahead = number + 1
            yield wave

    def units(self, stages: Collection[str] | None = None) -> Iterator[Unit]:
        """All units, or those of some stages, as far as committed tables tell."""
        wanted = set(self.pipeline.by_name if stages is None else stages)
        for wave in self.waves():
            if wanted & set(wave.stages):
                yield from (unit for chain in wave for unit in chain if unit.stage in wanted)

    def needs_cleaned(self, units: Iterable[Unit]) -> bool:
        """Whether any of them is to be made from tables that `clean` takes away; the index reads only those that it keeps."""
        return any(self.state(u).kind != DONE and not (u.closing and self.pipeline.by_name[u.stage].scope == "dataset") for u in units)

    def _look_ahead(self, wave: Wave) -> None:
        """Object stores answer slowly but many at a time: the markers of many chains together."""
        chains = iter(wave)
        with ThreadPoolExecutor(REQUESTS) as pool:
            while some := list(islice(chains, 8 * REQUESTS)):
                list(pool.map(lambda chain: [self.state(unit) for unit in chain], some))

    def read(self, unit: Unit) -> pa.Table | None:
        """The table of a unit, None where it is not done."""
        if self.state(unit).kind != DONE:
            return None
        try:
            return read_table(self.store, table_name(*unit.key), self.pipeline.by_name[unit.stage].writes)
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
            return State.of(STALE, why, marker.lineage, marker.rows)
        done = State.of(DONE, "", marker.lineage, marker.rows)
        if self.retry_failed and marker.rows.get("failed"):
            return State(TODO, "failed samples are tried again")
        if marker.cleaned:
            self.met_cleaned = True
            return State(TODO, "its table was cleaned and is needed again") if self.revive else done
        if not self.store.exists(table_name(*unit.key)):
            return State(TODO, "its table is missing")
        if INDEX in marker.files and not self.store.exists(INDEX):
            return State(TODO, f"{INDEX} is missing")
        return done

    def _why_stale(self, unit: Unit, marker: Marker) -> str:
        now, then = self.pipeline.declared[unit.stage], marker.declared
        changed = [f"{k}: {_short(then.get(k))} → {_short(now.get(k))}" for k in sorted({*now, *then}) if now.get(k) != then.get(k)]
        if changed:
            return ", ".join(changed)
        first = next(iter(unit.upstream), None)
        if first and any(self.state(u).kind != DONE for u in unit.upstream):
            return f"{first.stage} is redone"
        if marker.fingerprint != unit.fingerprint or marker.inputs != self.inputs(unit):
            return f"{first.stage} changed" if first else "planned rows changed"
        return ""


def _short(value) -> str:
    if value is None:
        return "nothing"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
