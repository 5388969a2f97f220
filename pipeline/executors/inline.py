"""`workers: 0`: units are done in the launcher itself, one after the other, where a debugger can see them."""

from manifests.stage import Config, Stage
from pipeline.executors import Done
from pipeline.plan import Pipeline
from pipeline.store import Store
from pipeline.work import Task, Worker


class InlineExecutor:
    """Samples that raise are set aside; one that hangs or ends the process takes the run along."""

    slots = 1

    def __init__(self, pipeline: Pipeline, store: Store):
        self._worker = Worker(pipeline, store)
        self._pending: list[Task] = []

    def prepare(self, stage: type[Stage], config: Config) -> None:
        stage.setup_on_node(config)

    def submit(self, task: Task) -> None:
        self._pending.append(task)

    def wait(self) -> list[Done]:
        task = self._pending.pop(0)
        return [Done(task, self._worker.do(task))]

    def close(self) -> None:
        self._pending.clear()
