"""What runs in a Ray worker: a watcher with one process of its own.

The stages run in that process, not in Ray's: so a sample that ends its process or hangs is found out exactly as on one
machine, with the same reason and the same bytes, and what Ray itself loses (a node, a killed worker) blames nobody.
"""

import socket

from manifests.errors import UserError, sentence
from manifests.recipe import Recipe
from pipeline.executors.child import Job
from pipeline.executors.local import LocalExecutor
from pipeline.signals import refusals
from pipeline.store import Store
from pipeline.work import Task

_watchers: dict[bytes, "Watcher"] = {}


class Watcher:
    """Does one unit at a time. Answers with the unit's row, or with {"error": sentence}."""

    def __init__(self, job: bytes):
        self._job = Job.from_bytes(job)
        run = Recipe.model_validate_json(self._job.recipe).run
        self._executor = LocalExecutor(self._job, 1, run)
        self._sees_folder = False

    def do(self, task: bytes) -> dict:
        try:
            self._look_for_folder()
            self._executor.submit(Task.from_bytes(task))
            return self._executor.wait()[0].row
        except UserError as e:
            return self._failed(str(e))
        except refusals() as e:
            return self._failed(f"{self._job.url}: node {socket.gethostname()}: {sentence(e)}")

    def _failed(self, text: str) -> dict:
        self._executor.close()
        return {"error": text}

    def _look_for_folder(self) -> None:
        """A folder that only the launcher's machine has would be made anew on each node, or is another run's there."""
        if self._sees_folder:
            return
        store, (name, content) = Store(self._job.url), self._job.mark
        if not store.exists(name) or store.read(name) != content.encode():
            raise UserError(f"{self._job.url}: node {socket.gethostname()} does not see this run folder; use a shared folder or a bucket")
        self._sees_folder = True


def do_unit(job: bytes, task: bytes) -> dict:
    """For Ray tasks: Ray reuses its processes, and so the watcher and the stages that it has set up stay."""
    if job not in _watchers:
        _watchers[job] = Watcher(job)
    return _watchers[job].do(task)
