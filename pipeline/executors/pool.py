"""Actors that hold a stage's model: made when there is work, kept busy evenly, replaced after so many units."""

from dataclasses import dataclass
from typing import Any

from manifests.stage import Resources
from pipeline.executors.local import OUTSIDE_DEATHS
from pipeline.executors.remote import Watcher


@dataclass(eq=False)
class Member:
    """An actor, the calls it has not answered and those it was ever given."""

    handle: Any
    waiting: int = 0
    given: int = 0


class Pool:
    """At most `size` actors; each does one unit at a time, Ray restarts it elsewhere if its node is lost."""

    def __init__(self, job: bytes, request: dict, recycle_after: int):
        self.size = 1
        self._job, self._request, self._recycle_after = job, request, recycle_after
        self._members: list[Member] = []

    def pick(self) -> Member:
        """The actor for the next unit."""
        idle = next((m for m in self._members if not m.waiting), None)
        if idle is None and len(self._members) < self.size:
            idle = Member(self._start())
            self._members.append(idle)
        member = idle or min(self._members, key=lambda m: m.waiting)
        member.waiting += 1
        member.given += 1
        if member.given >= self._recycle_after:
            self._members.remove(member)  # it answers what it has; Ray ends it when its last call has let go of it
        return member

    def give_back(self, member: Member) -> None:
        member.waiting -= 1

    def close(self) -> None:
        self._members.clear()

    def _start(self):
        import ray

        options = {"max_restarts": -1, "max_task_retries": OUTSIDE_DEATHS, "max_concurrency": 1, **self._request}
        return ray.remote(Watcher).options(**options).remote(self._job)


def size_of(needs: Resources, device: str, total: dict[str, float], pools: int) -> int:
    """How many actors of a stage fit the cluster beside `pools - 1` other pools and tasks.

    Actors keep what they ask for, so one CPU is always left to tasks; 0 where not even one actor fits beside that.
    """
    wants = dict(needs.custom) | ({} if device == "cpu" else {"GPU": needs.gpus})
    limits = [total.get(name, 0) / amount for name, amount in wants.items() if amount]
    share = (total.get("CPU", 1) - 1) / pools
    limits += [share / needs.cpus] if needs.cpus else []
    return int(min(limits, default=1))
