"""What runs in a worker process: units in, messages out, and an end as soon as whoever started it is gone.

Started as `python -m pipeline.executors.child` with a socket and a pipe that nobody writes to: its end is the parent's.
"""

import json
import os
import signal
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

from manifests.errors import UserError, first_line, sentence
from manifests.recipe import Recipe
from pipeline.signals import refusals


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know before its first unit."""

    recipe: str  # JSON
    specs: tuple[str, ...]
    url: str
    mark: tuple[str, str]  # name and content of a file that tells the launcher's run folder from others of that address

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Job":
        body = json.loads(data)
        return cls(body["recipe"], tuple(body["specs"]), body["url"], tuple(body["mark"]))


@dataclass(frozen=True)
class Message:
    """trying (a call begins), done (a unit is committed) or error (the run cannot go on)."""

    kind: str
    body: dict

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Message":
        return cls(**json.loads(data))


def main() -> None:
    """Serve units until the parent closes the socket."""
    conn, life = Connection(int(sys.argv[1])), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the launcher decides
    threading.Thread(target=_end_with_parent, args=(life,), daemon=True).start()
    from pipeline.arrow import leave_pandas_alone

    leave_pandas_alone()
    from pipeline.plan import Pipeline
    from pipeline.store import Store
    from pipeline.work import Task, Worker

    try:
        job = Job.from_bytes(conn.recv_bytes())
        worker = Worker(Pipeline(Recipe.model_validate_json(job.recipe), job.specs), Store(job.url))
        while True:
            conn.send_bytes(_do(worker, Task.from_bytes(conn.recv_bytes()), conn).to_bytes())
    except (EOFError, OSError):
        return


def _do(worker, task, conn: Connection) -> Message:
    from pipeline.isolation import fault_of_device

    def trying(low: int, high: int) -> None:
        conn.send_bytes(Message("trying", {"low": low, "high": high}).to_bytes())

    try:
        return Message("done", worker.do(task, trying))
    except UserError as e:
        return Message("error", {"text": str(e)})
    except refusals() as e:
        return Message("error", {"text": f"stage {task.stage}, unit {task.name}: {sentence(e)}"})
    except Exception as e:
        if fault_of_device(e):
            _leave_to_another(task, e)
        return Message("error", {"text": f"stage {task.stage}, unit {task.name} broke:\n{traceback.format_exc()}"})


def _leave_to_another(task, error: Exception) -> None:
    """End as if killed from outside: the unit goes to a fresh process, and the samples are not to blame."""
    print(f"skep: stage {task.stage}, unit {task.name}: {first_line(error)}; trying again in a new process", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def _end_with_parent(life: int) -> None:
    os.read(life, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
