"""Actors that hold a stage's model: made when there is work, kept busy evenly, replaced after so many units."""

from dataclasses import dataclass
from math import inf
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


def sizes(pools: dict[str, tuple[Resources, str]], total: dict[str, float]) -> dict[str, int]:
    """How many actors of each stage fit the cluster beside each other; pools: what each stage needs, and its device.

    Stages that are few, as GPUs are, take their CPUs first, and the others share what is left. Actors keep what they ask for, so one
    CPU is always left to tasks; 0 where not even one actor fits beside that.
    """
    found: dict[str, int] = {}
    left = total.get("CPU", 1) - 1
    limits = {name: _limit(needs, device, total) for name, (needs, device) in pools.items()}
    for name in sorted(pools, key=lambda name: (limits[name], name)):
        cpus, others = pools[name][0].cpus, len(pools) - len(found) - 1
        share = left / (others + 1) if limits[name] == inf else left - others
        most = min(limits[name], share / cpus if cpus else inf)
        found[name] = int(most) if most < inf else 1
        left -= found[name] * cpus
    return found


def _limit(needs: Resources, device: str, total: dict[str, float]) -> float:
    """Actors that what is rarer than CPUs allows."""
    wants = dict(needs.custom) | ({} if device == "cpu" else {"GPU": needs.gpus})
    return min((total.get(name, 0) // amount for name, amount in wants.items() if amount), default=inf)
