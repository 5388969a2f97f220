"""Named moments of a commit at which a process is killed, in whatever process of a run imports the toy stages.

SKEP_TEST_FAULTS names a JSON file: {"strikes": [[point, passage, whom]], "flags": folder, "starts": file}. SIGKILL goes
to `self` or to `parent` and self, when a process comes by a point for the n-th time; the folder of flags sees to it that
each strike happens once. Every start of a unit is a line in `starts`.
"""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from pipeline.commit import UnitSink
from pipeline.store import HashedFile, StagedFile
from pipeline.work import Worker
from tests.struck import VARIABLE

POINTS = ("before-temp", "mid-file", "after-fsync", "before-marker", "mid-marker")

_plan: dict = {}
_passages: Counter[str] = Counter()


def pass_by(point: str) -> None:
    """Where a process may end."""
    _passages[point] += 1
    for name, passage, whom in _plan["strikes"]:
        if (name, passage) == (point, _passages[point]) and _first(f"{point}-{passage}-{whom}"):
            if whom == "parent" and "child.py" in sys.argv[0]:
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


def _first(flag: str) -> bool:
    try:
        (Path(_plan["flags"]) / flag).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def arm() -> None:
    """Wrap the calls that a commit is made of."""
    create, write, seal, publish, do = StagedFile.__init__, HashedFile.write, StagedFile.seal, UnitSink.publish, Worker.do

    def staged(self, store, name):
        pass_by("before-temp")
        create(self, store, name)

    def written(self, data):
        half = memoryview(data).cast("B")[: memoryview(data).nbytes // 2]
        size = write(self, half)
        self._raw.flush()
        pass_by("mid-file")
        return size + write(self, memoryview(data).cast("B")[len(half) :])

    def sealed(self):
        seal(self)
        pass_by("after-fsync")

    def published(self, marker):
        def marked(name, data):
            pass_by("before-marker")
            with self.store.stage(name) as half:
                half.file.write(data[: len(data) // 2])
                half._raw.flush()
                pass_by("mid-marker")
                half.discard()
            type(self.store).write(self.store, name, data)

        self.store.write = marked
        publish(self, marker)
        del self.store.write

    def started(self, task, *more):
        with open(_plan["starts"], "a") as file:
            file.write(f"{task.stage}/{task.name}\n")
        return do(self, task, *more)

    StagedFile.__init__, HashedFile.write, StagedFile.seal, UnitSink.publish, Worker.do = staged, written, sealed, published, started


if VARIABLE in os.environ:
    _plan = json.loads(Path(os.environ[VARIABLE]).read_text())
    arm()
