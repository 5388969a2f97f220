"""What runs in a spawned worker: units in, messages out, and an end as soon as the launcher is gone."""

import json
import multiprocessing as mp
import os
import signal
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

from manifests.errors import UserError
from manifests.recipe import Recipe


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


def child_main(conn: Connection, recipe: str, specs: tuple[str, ...], url: str) -> None:
    """Serve units until the launcher closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the launcher decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from pipeline.plan import Pipeline
    from pipeline.store import Store
    from pipeline.work import Task, Worker

    worker = Worker(Pipeline(Recipe.model_validate_json(recipe), specs), Store(url))
    limit_threads(1)
    while True:
        try:
            task = Task.from_bytes(conn.recv_bytes())
        except (EOFError, OSError):
            return
        conn.send_bytes(_do(worker, task, conn).to_bytes())


def limit_threads(threads: int) -> None:
    """Hold the libraries that stages have loaded to their share of the machine."""
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _do(worker, task, conn: Connection) -> Message:
    def trying(low: int, high: int) -> None:
        conn.send_bytes(Message("trying", {"low": low, "high": high}).to_bytes())

    try:
        return Message("done", worker.do(task, trying))
    except UserError as e:
        return Message("error", {"text": str(e)})
    except OSError as e:
        return Message("error", {"text": f"stage {task.stage}, unit {task.name}: {e.strerror or e} ({e.filename or 'run folder'})"})
    except Exception:
        return Message("error", {"text": f"stage {task.stage}, unit {task.name} broke:\n{traceback.format_exc()}"})


def _end_with_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
