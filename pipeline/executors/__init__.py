"""Where units are worked on. All executors offer the same three calls."""

from dataclasses import dataclass
from typing import Protocol

from pipeline.work import Task


@dataclass(frozen=True)
class Done:
    """A unit was committed; `row` goes to the event log."""

    task: Task
    row: dict


class Executor(Protocol):
    """Takes tasks and gives back what became of them, in any order. Raises UserError where the run cannot go on."""

    slots: int

    def submit(self, task: Task) -> None:
        """Start a task; never more than `slots` at a time."""
        ...

    def wait(self) -> list[Done]:
        """Block until something is done."""
        ...

    def close(self) -> None:
        """Drop what is in hand and end all workers."""
        ...
