"""Memory of the launcher and of a worker over 5,000 partitions of a small stage, on one machine and on Ray: `make bench-memory`.

The last line is JSON: resident megabytes after each fifth of the partitions (the last look is a little before the end).
"""

import json
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from manifests.recipe_files import check_recipe
from pipeline.executors.choose import HERE, Where
from pipeline.run import run

PARTITIONS, STEPS = 5_000, 5
SPECS = ("tests.toy:Values",)


def main() -> None:
    partitions = int(sys.argv[1]) if sys.argv[1:] else PARTITIONS
    print(json.dumps({name: measure(partitions, where) for name, where in (("local", HERE), ("ray", Where(True)))}))


def measure(partitions: int, where: Where) -> dict[str, list[float]]:
    """Resident megabytes of the launcher and of its largest worker."""
    poses = {"count": 8 * partitions, "oversample": 1}
    recipe = check_recipe({"name": "memory", "styles": ["ink"], "partition_size": 8, "poses": poses, "run": {"workers": 1}}, "memory")
    with tempfile.TemporaryDirectory() as folder:
        watcher = _Watcher(Path(folder), partitions)
        watcher.start()
        run(recipe, folder, SPECS, quiet=True, where=where)
        watcher.join()
    return watcher.seen


class _Watcher(threading.Thread):
    """Looks at the run's event log and, after every fifth of the partitions, at the processes."""

    def __init__(self, folder: Path, partitions: int):
        super().__init__(daemon=True)
        self._log, self._step = folder / "events/0000.jsonl", int(0.98 * partitions / STEPS)
        self._pause = threading.Event()
        self.seen: dict[str, list[float]] = {"launcher_mb": [], "worker_mb": []}

    def run(self) -> None:
        while len(self.seen["launcher_mb"]) < STEPS:
            self._pause.wait(0.02)
            if self._log.exists() and self._log.read_bytes().count(b"\n") >= self._step * (len(self.seen["launcher_mb"]) + 1):
                self._look()

    def _look(self) -> None:
        me = psutil.Process()
        workers = [_megabytes(p, "pipeline.executors.child") for p in me.children(recursive=True)]
        self.seen["launcher_mb"].append(_megabytes(me))
        self.seen["worker_mb"].append(max(workers, default=0.0))


def _megabytes(process: psutil.Process, command: str = "") -> float:
    """0 for a process that runs something else, or no longer."""
    try:
        return round(process.memory_info().rss / 1e6, 1) if command in " ".join(process.cmdline()) else 0.0
    except psutil.Error:
        return 0.0


if __name__ == "__main__":
    main()
