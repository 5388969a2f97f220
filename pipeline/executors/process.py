"""One worker process as its parent sees it."""

import os
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection

from manifests.recipe import Run
from pipeline import threads
from pipeline.executors.child import Job
from pipeline.work import Task


class Child:
    """A started worker, what it works on and what it was last heard of."""

    def __init__(self, job: Job):
        ours, theirs = socket.socketpair()
        life, self._life = os.pipe()  # nobody writes; it closes when this process ends, however it ends
        arguments = [sys.executable, "-m", "pipeline.executors.child", str(theirs.fileno()), str(life)]
        self.process = subprocess.Popen(arguments, pass_fds=(theirs.fileno(), life), env=_environment())
        theirs.close()
        os.close(life)
        self.conn = Connection(ours.detach())
        self.task: Task | None = None
        self.trying: tuple[int, int] | None = None
        self.timeout = self.deadline = float("inf")
        self._send(job.to_bytes())

    def start(self, task: Task) -> None:
        self.task, self.trying, self.deadline = task, None, float("inf")
        self._send(task.to_bytes())

    def tries(self, low: int, high: int, run: Run) -> None:
        """It says which rows it works on now, and has as much time for them as their number deserves."""
        self.timeout = run.timeout_s + run.timeout_per_sample_s * (high - low)
        self.trying, self.deadline = (low, high), time.monotonic() + self.timeout

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.conn.close()
        os.close(self._life)

    def _send(self, data: bytes) -> None:
        try:
            self.conn.send_bytes(data)
        except OSError:
            pass  # it died meanwhile; the next wait notices


def _environment() -> dict[str, str]:
    """One thread a worker, and the modules that this process can import."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)} | dict.fromkeys(threads.ENVIRONMENT, "1")
