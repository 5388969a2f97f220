"""Spawned worker processes on this machine, watched by the launcher.

Only a death or a timeout that the launcher itself sees counts against a sample. SIGKILL and SIGTERM never do: they come
from outside, the out-of-memory killer above all.
"""

import multiprocessing.connection as mpc
import signal
import time
from dataclasses import replace

from manifests.errors import UserError
from manifests.recipe import Run
from manifests.stage import Config, Stage
from pipeline.executors import Done
from pipeline.executors.child import Job, Message
from pipeline.executors.process import Child
from pipeline.isolation import Deaths
from pipeline.work import Task

OUTSIDE_SIGNALS = (-signal.SIGKILL, -signal.SIGTERM)
# So many deaths from outside on one unit mean that it does not fit this machine.
OUTSIDE_DEATHS = 8


class LocalExecutor:
    """`workers` processes; a dead one is replaced and its unit tried again, split where the death happened."""

    def __init__(self, job: Job, workers: int, run: Run):
        self.slots, self._job, self._run = workers, job, run
        self._children: list[Child] = []
        self._outside: dict[tuple[str, str], int] = {}

    def prepare(self, stage: type[Stage], config: Config) -> None:
        stage.setup_on_node(config)

    def submit(self, task: Task) -> None:
        idle = next((c for c in self._children if c.task is None), None)
        if idle is None:
            idle = Child(self._job)
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

    def _hear(self, child: Child) -> list[Done]:
        try:
            message = Message.from_bytes(child.conn.recv_bytes())
        except (EOFError, OSError):
            self._died(child)
            return []
        if message.kind == "trying":
            child.tries(**message.body, run=self._run)
            return []
        child.deadline = float("inf")
        if message.kind == "error":
            raise UserError(message.body["text"])
        task, child.task = child.task, None
        assert task is not None
        return [Done(task, message.body)]

    def _died(self, child: Child) -> None:
        status = child.process.wait()
        if status in OUTSIDE_SIGNALS:
            self._killed_from_outside(child)
        else:
            self._blame(child, f"the process died with {_describe(status)}")

    def _timed_out(self, child: Child) -> None:
        self._blame(child, f"timeout: more than {child.timeout:g} s")

    def _blame(self, child: Child, reason: str) -> None:
        task, trying = self._bury(child)
        if trying is None:
            raise UserError(f"stage {task.stage}, unit {task.name}: {reason} before it tried any sample")
        deaths = Deaths.from_json(task.deaths)
        deaths.add(*trying, reason)
        self.submit(replace(task, deaths=deaths.to_json()))

    def _killed_from_outside(self, child: Child) -> None:
        task, _ = self._bury(child)
        key = (task.stage, task.name)
        self._outside[key] = self._outside.get(key, 0) + 1
        if self._outside[key] >= OUTSIDE_DEATHS:
            raise UserError(
                f"stage {task.stage}, unit {task.name}: its process was killed {OUTSIDE_DEATHS} times from outside, "
                "as when memory runs out or a GPU fails; run fewer workers, smaller partitions or smaller batches"
            )
        self.submit(task)

    def _bury(self, child: Child) -> tuple[Task, tuple[int, int] | None]:
        child.kill()
        self._children.remove(child)
        assert child.task is not None
        return child.task, child.trying


def _describe(status: int | None) -> str:
    if status is not None and status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"
