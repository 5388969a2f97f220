"""Time and rate of every stage, from the event logs of all launches."""

from collections import defaultdict
from typing import Any

import numpy as np

from pipeline.progress import read_launches
from pipeline.report.folder import Folder
from pipeline.store import Store

POINTS = 80  # of a curve of progress


def stages(folder: Folder) -> list[dict]:
    """Of each stage: units by state, rows and seconds of work over all launches, rejected, failed; of those that have a table a
    partition a curve of progress: seconds and samples so far."""
    spent, status, curved = _spent(read_launches(folder.store)), folder.status, {stage.name for stage in folder.chain}
    return [
        {
            "name": name, "units": dict(told.counts), "rejected": told.rejected, "failed": told.failed,
            "why": dict(told.why.most_common()), **_summed(spent[name]), "curve": _curve(spent[name]) if name in curved else [],
        }
        for name, told in status.items()
    ]  # fmt: skip


def launches(store: Store) -> dict[str, Any]:
    """How many there were, and how long they took together in seconds."""
    found = [launch for launch in read_launches(store) if launch]
    return {"count": len(found), "seconds": round(sum(_length(launch) for launch in found), 3)}


def _spent(launches: list[list[dict]]) -> dict[str, list[tuple[float, int, float]]]:
    """By stage: when each unit was done, launches put end to end, its rows and its seconds."""
    found: dict[str, list[tuple[float, int, float]]] = defaultdict(list)
    before = 0.0
    for launch in filter(None, launches):
        for event in launch:
            if event.get("event") == "unit":
                done = before + event["time"] - _start(launch)
                found[event["stage"]].append((done, event["given"], event["seconds"]))
        before += _length(launch)
    return found


def _start(launch: list[dict]) -> float:
    """When work began: a unit's event comes at its end."""
    return min(event["time"] - event.get("seconds", 0.0) for event in launch)


def _length(launch: list[dict]) -> float:
    return max(event["time"] for event in launch) - _start(launch)


def _summed(units: list[tuple[float, int, float]]) -> dict[str, Any]:
    return {"rows": sum(given for _, given, _ in units), "seconds": round(sum(seconds for *_, seconds in units), 3)}


def _curve(units: list[tuple[float, int, float]]) -> list[list[float]]:
    if not units:
        return []
    done, given, _ = (np.array(column) for column in zip(*sorted(units), strict=True))
    some = np.unique(np.linspace(0, len(done) - 1, min(POINTS, len(done))).round().astype(int))
    return [[round(float(t), 2), int(n)] for t, n in zip(done[some], given.cumsum()[some], strict=True)]
