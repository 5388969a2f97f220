"""`python -m tests.shard_kills N`: the stage that packs shards is killed N times at random moments, with a reader beside it that looks
at every shard it sees. A shard is whole or it is not there; in the end all bytes are those of a run that nobody touched.
The last line is JSON. Processes are forked, so that a kill costs no start of Python.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.run import run
from stages.shards.read import packed_samples
from stages.shards.tar import BadShard
from tests.conftest import tree
from tests.sticks import SPECS, recipe

MADE_BY_SHARDS = ("shards", "index", "dataset")


def forked(work: Callable[[], None]) -> int:
    """A process that does the work and ends; its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def look(folder: Path, report: Path) -> None:
    """Read every shard there is, again and again; what is not whole goes into the report."""
    while True:
        for path in sorted((folder / "dataset").glob("*.tar")):
            try:
                with path.open("rb") as file:
                    count = len(list(packed_samples(file, path.name)))
                _write(report, f"read {count}")
            except FileNotFoundError:
                pass
            except BadShard as e:
                _write(report, f"torn {e}")


def _write(report: Path, line: str) -> None:
    with report.open("a") as file:
        file.write(line + "\n")


def campaign(temp: Path, kills: int, seed: int = 0) -> dict:
    """kills; runs that came to their end; shards that the reader saw whole; torn ones; finished runs with other bytes."""
    rng, folder, report, plan = random.Random(seed), temp / "run", temp / "report", recipe()
    result = {"kills": 0, "runs": 0, "wrong": 0}

    def pack() -> None:
        run(plan, str(folder), SPECS, quiet=True)

    run(plan, str(folder), SPECS, until="select", quiet=True)
    began = time.monotonic()
    os.waitpid(forked(pack), 0)
    longest, expected = time.monotonic() - began, tree(folder)
    unpack(folder)
    reader = forked(lambda: look(folder, report))
    while result["kills"] < kills:
        worker = forked(pack)
        time.sleep(rng.uniform(0, longest))
        os.kill(worker, signal.SIGKILL)
        if os.waitpid(worker, 0)[1] == signal.SIGKILL:
            result["kills"] += 1
            continue
        result["runs"] += 1
        result["wrong"] += tree(folder) != expected
        unpack(folder)
    os.kill(reader, signal.SIGKILL)
    os.waitpid(reader, 0)
    pack()
    result["wrong"] += tree(folder) != expected
    lines = report.read_text().splitlines()
    return result | {"read": sum(line.startswith("read") for line in lines), "torn": sum(line.startswith("torn") for line in lines)}


def unpack(folder: Path) -> None:
    """Back to where the shards are planned and none is made."""
    for room in MADE_BY_SHARDS:
        shutil.rmtree(folder / room)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        tally = campaign(Path(made), int(sys.argv[1]))
    print(json.dumps(tally))
    sys.exit(bool(tally["wrong"] or tally["torn"]))
