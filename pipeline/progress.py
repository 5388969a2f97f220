"""A line a stage while a run goes on, and every finished unit as a JSON line in the run's event log."""

import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.store import Store

EVENTS = "events"
PLAIN_EVERY_S = 5.0


@dataclass
class Tally:
    """What one stage has done and has before it, in units and samples."""

    units: int = 0
    planned: int = 0
    here: int = 0  # units done by this launch, for the rate
    made: int = 0
    rejected: int = 0
    failed: int = 0
    given_here: int = 0
    first: float = 0.0

    def rate(self, now: float) -> float:
        """Samples a second since this launch began the stage."""
        return self.given_here / (now - self.first) if self.first and now > self.first else 0.0

    def eta(self, now: float) -> str:
        if self.units >= self.planned or not self.here:
            return "" if self.units < self.planned else "done"
        seconds = (self.planned - self.units) * (now - self.first) / self.here
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

    def said(self, now: float) -> str:
        """Where the stage is, in a few words."""
        left = self.eta(now)
        going = f"{self.rate(now):.1f}/s, {left} left" if self.units < self.planned else f"{self.rate(now):.1f}/s"
        return f"{self.units}/{self.planned}" + (f" ({going})" if self.here else "")


class Progress:
    """Shows a run and logs it; `stages` in the order to show. `level`: recipe.Run.log_level."""

    def __init__(self, stages: list[str], store: Store, level: str = "info"):
        self.tallies = {name: Tally() for name in stages}
        self.kept = self.surplus = 0  # as the selection has it
        self._log = _EventLog(store)
        self._console = Console(stderr=True)
        interactive = self._console.is_terminal and level != "warning"
        self._live = Live(console=self._console, refresh_per_second=4, get_renderable=self.table) if interactive else None
        self._level, self._said = level, 0.0

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind, *_) -> None:
        if self._live:
            self._live.stop()
        elif self._level != "warning":
            self._say()
        self.event("end", ok=kind is None)
        self._log.close()

    def plan(self, stage: str, counts: Counter, afresh: bool) -> None:
        """So many units `planned`, `units` of them committed before with the rows `made`, `rejected` and `failed`.

        They come on top of what is shown, as in another round, or `afresh`, where a stage sees all rows again.
        """
        tally = self.tallies[stage]
        for name in ("planned", "units", "made", "rejected", "failed"):
            setattr(tally, name, counts[name] + (0 if afresh else getattr(tally, name)))

    def begun(self, stage: str) -> None:
        self.tallies[stage].first = self.tallies[stage].first or time.monotonic()

    def unit(self, row: dict) -> None:
        """One more unit is committed."""
        tally = self.tallies[row["stage"]]
        tally.units += 1
        tally.here += 1
        tally.given_here += row["given"]
        for name in ("made", "rejected", "failed"):
            setattr(tally, name, getattr(tally, name) + row[name])
        self.event("unit", **row)
        if self._level == "debug":
            self._console.print(f"{row['stage']}/{row['unit']}: {row}", highlight=False)
        elif not self._live and self._level != "warning" and time.monotonic() - self._said > PLAIN_EVERY_S:
            self._say()

    def event(self, kind: str, **fields) -> None:
        self._log.add({"event": kind, "time": round(time.time(), 3), **fields})

    def failed(self) -> int:
        return sum(t.failed for t in self.tallies.values())

    def table(self) -> Table:
        """The picture of the moment."""
        table = Table("stage", "units", "samples/s", "left", "passed", "rejected", "surplus", "failed", box=None)
        now = time.monotonic()
        for name, t in self.tallies.items():
            rate = f"{t.rate(now):.1f}" if t.here else ""
            passed, surplus = (self.kept, self.surplus) if name == "select" else (t.made - t.rejected, 0)
            table.add_row(name, f"{t.units}/{t.planned}", rate, t.eta(now), *map(str, (passed, t.rejected, surplus, t.failed)))
        return table

    def _say(self) -> None:
        self._said, now = time.monotonic(), time.monotonic()
        parts = [f"{name} {t.said(now)}" for name, t in self.tallies.items() if t.planned]
        lost = sum(t.rejected for t in self.tallies.values()), self.surplus, self.failed()
        print("{} · rejected {} · surplus {} · failed {}".format(" · ".join(parts), *lost), file=sys.stderr, flush=True)


class _EventLog:
    """One file a launch: appended line by line on disks; for object stores, put there at the end."""

    def __init__(self, store: Store):
        self._store = store
        self._name = next(name for name in _names(len(store.list(EVENTS))) if not store.exists(name))
        if store.is_local:
            store.fs.makedirs(store.path(EVENTS), exist_ok=True)
            self._file: IO[bytes] = open(store.path(self._name), "ab")  # noqa: SIM115 - closed with the log
        else:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115

    def add(self, event: dict) -> None:
        self._file.write(json.dumps(event).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        if not self._store.is_local:
            self._file.seek(0)
            self._store.write(self._name, self._file.read())
        self._file.close()


def _names(first: int) -> Iterator[str]:
    """Names of logs from a number on; a listing may show too few."""
    return (f"{EVENTS}/{number:04d}.jsonl" for number in itertools.count(first))


def read_events(store: Store) -> list[dict]:
    """All events of earlier launches."""
    return [event for launch in read_launches(store) for event in launch]


def read_launches(store: Store) -> list[list[dict]]:
    """Events by launch, the earliest first; a line that a crash cut short, or that is no event, is left out."""
    launches: list[list[dict]] = []
    for name in store.list(EVENTS):
        launches.append([])
        for line in store.read(f"{EVENTS}/{name}").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                launches[-1].append(event)
    return launches
