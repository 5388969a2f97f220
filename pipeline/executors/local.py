"""Spawned worker processes on this machine, watched by the launcher.

Only a death or a timeout that the launcher itself sees counts against a sample. SIGKILL and SIGTERM never do: they come
from outside, the out-of-memory killer above all.
"""

import multiprocessing as mp
import multiprocessing.connection as mpc
import signal
import time
from dataclasses import replace

from manifests.errors import UserError
from pipeline.executors import Done
from pipeline.executors.child import Message, child_main
from pipeline.isolation import Deaths
from pipeline.plan import Pipeline
from pipeline.store import Store
from pipeline.work import Task

OUTSIDE_SIGNALS = (-signal.SIGKILL, -signal.SIGTERM)
# So many deaths from outside on one unit mean that it does not fit this machine.
OUTSIDE_DEATHS = 8


class _Child:
    """One worker process and what it was last heard of."""

    def __init__(self, arguments: tuple):
        context = mp.get_context("spawn")
        self.conn, theirs = context.Pipe()
        self.process = context.Process(target=child_main, args=(theirs, *arguments), daemon=True)
        self.process.start()
        theirs.close()
        self.task: Task | None = None
        self.trying: tuple[int, int] | None = None
        self.deadline = float("inf")

    def start(self, task: Task) -> None:
        self.task, self.trying, self.deadline = task, None, float("inf")
        try:
            self.conn.send_bytes(task.to_bytes())
        except OSError:
            pass  # it died meanwhile; the launcher notices at the next wait

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.conn.close()


class LocalExecutor:
    """`workers` processes; a dead one is replaced and its unit tried again, split where the death happened."""

    def __init__(self, pipeline: Pipeline, store: Store):
        run = pipeline.recipe.run
        self.slots, self._timeout = run.workers, run.timeout_s
        self._arguments = (pipeline.recipe.model_dump_json(), pipeline.specs, store.url)
        self._children: list[_Child] = []
        self._outside: dict[tuple[str, str], int] = {}

    def submit(self, task: Task) -> None:
        idle = next((c for c in self._children if c.task is None), None)
        if idle is None:
            idle = _Child(self._arguments)
            self._children.append(idle)
        idle.start(task)

    def wait(self) -> list[Done]:
        done: list[Done] = []
        while not done:
            busy = [c for c in self._children if c.task]
            limit = min((c.deadline for c in busy), default=float("inf")) - time.monotonic()
            ready = mpc.wait([c.conn for c in busy], timeout=None if limit == float("inf") else max(0.0, limit))
            for child in busy:
                if child.conn in ready:
                    done += self._hear(child)
                elif time.monotonic() >= child.deadline:
                    self._timed_out(child)
        return done

    def close(self) -> None:
        for child in self._children:
            child.kill()
        self._children.clear()

    def _hear(self, child: _Child) -> list[Done]:
        try:
            message = Message.from_bytes(child.conn.recv_bytes())
        except (EOFError, OSError):
            self._died(child)
            return []
        if message.kind == "trying":
            child.trying = (message.body["low"], message.body["high"])
            child.deadline = time.monotonic() + self._timeout
            return []
        child.deadline = float("inf")
        if message.kind == "error":
            raise UserError(message.body["text"])
        task, child.task = child.task, None
        assert task is not None
        return [Done(task, message.body)]

    def _died(self, child: _Child) -> None:
        child.process.join()
        status = child.process.exitcode
        if status in OUTSIDE_SIGNALS:
            self._killed_from_outside(child)
        else:
            self._blame(child, f"the process died with {_describe(status)}")

    def _timed_out(self, child: _Child) -> None:
        self._blame(child, f"timeout: more than {self._timeout:g} s")

    def _blame(self, child: _Child, reason: str) -> None:
        task, trying = self._bury(child)
        if trying is None:
            raise UserError(f"stage {task.stage}, unit {task.name}: {reason} before it tried any sample")
        deaths = Deaths.from_json(task.deaths)
        deaths.add(*trying, reason)
        self.submit(replace(task, deaths=deaths.to_json()))

    def _killed_from_outside(self, child: _Child) -> None:
        task, _ = self._bury(child)
        key = (task.stage, task.name)
        self._outside[key] = self._outside.get(key, 0) + 1
        if self._outside[key] >= OUTSIDE_DEATHS:
            raise UserError(
                f"stage {task.stage}, unit {task.name}: its process was killed {OUTSIDE_DEATHS} times from outside, "
                "as when memory runs out; run fewer workers or smaller partitions"
            )
        self.submit(task)

    def _bury(self, child: _Child) -> tuple[Task, tuple[int, int] | None]:
        child.kill()
        self._children.remove(child)
        assert child.task is not None
        return child.task, child.trying


def _describe(status: int | None) -> str:
    if status is not None and status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"
