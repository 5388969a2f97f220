"""Actors that hold a stage's model: made when there is work, kept busy evenly, replaced after so many units."""

from dataclasses import dataclass
from typing import Any

from pipeline.executors.local import OUTSIDE_DEATHS
from pipeline.executors.remote import Watcher


@dataclass(eq=False)
class Member:
    """An actor, what it asks of Ray, the calls it has not answered and those it was ever given."""

    handle: Any
    request: dict
    waiting: int = 0
    given: int = 0


class Pool:
    """As many actors as `fit` says; each does one unit at a time, Ray restarts it elsewhere if its node is lost.

    One that leaves answers what it has; Ray ends it when its last call has let go of it.
    """

    def __init__(self, job: bytes, recycle_after: int):
        self._job, self._recycle_after = job, recycle_after
        self._size, self._request = 1, dict[str, Any]()
        self._members: list[Member] = []

    def fit(self, size: int, request: dict) -> None:
        """From now on at most `size` actors, which ask this of Ray. Others leave, idle ones first: their CPUs are wanted elsewhere."""
        alike = [m for m in self._members if m.request == request]
        self._members = sorted(alike, key=lambda m: -m.waiting)[:size]
        self._size, self._request = size, request

    def pick(self) -> Member:
        """The actor for the next unit."""
        idle = next((m for m in self._members if not m.waiting), None)
        if idle is None and len(self._members) < self._size:
            idle = Member(self._start(), self._request)
            self._members.append(idle)
        member = idle or min(self._members, key=lambda m: m.waiting)
        member.waiting += 1
        member.given += 1
        if member.given >= self._recycle_after:
            self._members.remove(member)
        return member

    def give_back(self, member: Member) -> None:
        member.waiting -= 1

    def close(self) -> None:
        self._members.clear()

    def _start(self):
        import ray

        options = {"max_restarts": -1, "max_task_retries": OUTSIDE_DEATHS, "max_concurrency": 1, **self._request}
        return ray.remote(Watcher).options(**options).remote(self._job)
