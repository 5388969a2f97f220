"""Where units are worked on. All executors offer the same calls."""

from dataclasses import dataclass
from typing import Protocol

from manifests.stage import Config, Stage
from pipeline.work import Task


@dataclass(frozen=True)
class Done:
    """A unit was committed; `row` goes to the event log, but for the marker's `lineage`."""

    task: Task
    row: dict


class Executor(Protocol):
    """Takes tasks and gives back what became of them, in any order. Raises UserError where the run cannot go on."""

    @property
    def slots(self) -> int:
        """Most tasks in hand at a time; a cluster may grow and shrink."""
        ...

    def prepare(self, stage: type[Stage], config: Config) -> None:
        """Called before the first task of a stage: whatever the workers share has to be there."""
        ...

    def submit(self, task: Task) -> None:
        """Start a task; never more than `slots` at a time."""
        ...

    def wait(self) -> list[Done]:
        """Block until something is done; none, now and then, where that takes long."""
        ...

    def close(self) -> None:
        """Drop what is in hand and end all workers."""
        ...
