"""Units on a Ray cluster: tasks for stages that start quickly, a pool of actors for stages that hold a model.

Workers read from the run folder and commit to it; only a unit's description and its row of the event log travel.
"""

import os
import queue
import socket
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace

from manifests.errors import UserError
from manifests.stage import Config, Stage
from pipeline.executors import Done
from pipeline.executors.child import Job
from pipeline.executors.cluster import connect
from pipeline.executors.local import OUTSIDE_DEATHS
from pipeline.executors.pool import Pool
from pipeline.executors.remote import do_unit
from pipeline.executors.room import lacking, sizes
from pipeline.node import forget
from pipeline.plan import Pipeline
from pipeline.work import Task, no_gpu

# In hand for each CPU: one being done, one on its way, so that nobody waits for the launcher.
DEPTH = 2
LOOK_AGAIN_S = 5.0
FORGET_S = 10.0


class RayExecutor:
    """Joins the cluster at `address`, or starts one of `run.workers` CPUs on this machine."""

    def __init__(self, pipeline: Pipeline, job: Job, address: str | None):
        run = pipeline.recipe.run
        self._ours = connect(address, run.workers)
        self._pipeline, self._job, self._run = pipeline, job.to_bytes(), run
        self._setup_key = f"{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}"
        self._landed: queue.SimpleQueue = queue.SimpleQueue()
        self._pools: dict[str, Pool] = {}
        self._calls: dict[str, object] = {}
        self._looked, self._total, self._room = -LOOK_AGAIN_S, dict[str, float](), dict[str, int]()
        self._hand, self._told, self._submitted = Counter[str](), set[str](), False
        self._look()
        self._check_gpus()

    @property
    def slots(self) -> int:
        self._look()
        return max(1, int(DEPTH * self._total.get("CPU", 1)))

    def prepare(self, stage: type[Stage], config: Config) -> None:
        """The first worker of each node does it: which nodes there will be, nobody knows yet."""

    def submit(self, task: Task) -> None:
        self._submitted = True
        self._hand[task.stage] += 1
        stage = self._pipeline.by_name[task.stage]
        task = replace(task, device=self._device(stage), setup_key=self._setup_key)
        pool = self._pool(stage) if self._holds_model(stage) else None
        if pool:
            actor = pool.pick()
            ref = actor.handle.do.remote(task.to_bytes())
        else:
            actor, ref = None, self._call(stage).remote(self._job, task.to_bytes())
        ref.future().add_done_callback(lambda future: self._landed.put((task, pool, actor, future)))

    def wait(self) -> list[Done]:
        try:
            landed = [self._landed.get(timeout=LOOK_AGAIN_S)]
        except queue.Empty:
            self._look()
            self._tell()
            return []
        while not self._landed.empty():
            landed.append(self._landed.get())
        return [self._take(*each) for each in landed]

    def close(self) -> None:
        """Leave the cluster; it ends whatever this launch has still running there."""
        import ray

        for pool in self._pools.values():
            pool.close()
        with suppress(Exception):  # a cluster that is gone has nothing to be tidied, and Ray raises whatever it met
            self._forget()
        if self._ours:
            ray.shutdown()

    def _forget(self) -> None:
        """Have every node remove what its workers left there for each other."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = [NodeAffinitySchedulingStrategy(n["NodeID"], soft=False) for n in ray.nodes() if n["Alive"]] if self._submitted else []
        calls = [ray.remote(forget).options(num_cpus=0, scheduling_strategy=n).remote(self._setup_key) for n in nodes]
        ray.wait(calls, num_returns=len(calls), timeout=FORGET_S)

    def _take(self, task: Task, pool: Pool | None, actor, future) -> Done:
        from ray.exceptions import RayError

        self._hand[task.stage] -= 1
        if pool:
            pool.give_back(actor)
        try:
            row = future.result()
        except RayError as e:
            raise UserError(_broken(task, e)) from None
        if "error" in row:
            raise UserError(row["error"])
        return Done(task, row)

    def _look(self) -> None:
        """What the cluster has now, asked for now and then, and how many actors of each stage there is room for."""
        import ray

        if time.monotonic() - self._looked >= LOOK_AGAIN_S:
            self._looked, self._total = time.monotonic(), ray.cluster_resources()
            models = {s.name: (self._pipeline.needs[s.name], self._device(s)) for s in self._pipeline.stages if self._holds_model(s)}
            self._room = sizes(models, self._total)
            for name in self._pools:
                self._fit(name)

    def _fit(self, name: str) -> None:
        self._pools[name].fit(max(1, self._room[name]), self._request(self._pipeline.by_name[name]))

    def _tell(self) -> None:
        """Say it, once, where a unit waits for a node that there is not: one may come, so the run goes on."""
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        waiting = {name: lacking(self._request(self._pipeline.by_name[name]), nodes) for name, count in self._hand.items() if count}
        for name, words in waiting.items():
            if words and name not in self._told:
                print(f"skep: stage {name} waits for a node with {words}; the cluster has none now", file=sys.stderr, flush=True)
        self._told = {name for name, words in waiting.items() if words}

    def _check_gpus(self) -> None:
        for stage in self._pipeline.stages:
            if self._pipeline.needs[stage.name].gpus and self._run.device == "cuda" and not self._total.get("GPU"):
                self.close()
                raise UserError(no_gpu(stage.name, "the cluster"))

    def _holds_model(self, stage: type[Stage]) -> bool:
        needs = self._pipeline.needs[stage.name]
        return stage.scope == "partition" and bool(needs.model or needs.gpus)

    def _request(self, stage: type[Stage]) -> dict:
        """Ray's words for what a stage needs; no CPU where that would leave none to tasks."""
        needs = self._pipeline.needs[stage.name]
        crowded = self._room.get(stage.name) == 0 and "CPU" in self._total  # a cluster without any is yet to get some
        gpus = 0 if self._device(stage) == "cpu" else needs.gpus
        memory = {"memory": needs.memory} if needs.memory else {}
        return {"num_cpus": 0 if crowded else needs.cpus, "num_gpus": gpus, "resources": dict(needs.custom), **memory}

    def _device(self, stage: type[Stage]) -> str:
        return "cpu" if self._run.device == "auto" and not self._total.get("GPU") else self._run.device

    def _call(self, stage: type[Stage]):
        import ray

        if stage.name not in self._calls:
            self._calls[stage.name] = ray.remote(do_unit).options(
                name=stage.name, max_retries=OUTSIDE_DEATHS, retry_exceptions=False, **self._request(stage)
            )
        return self._calls[stage.name]

    def _pool(self, stage: type[Stage]) -> Pool:
        if stage.name not in self._pools:
            self._pools[stage.name] = Pool(self._job, self._run.recycle_after)
            self._fit(stage.name)
        return self._pools[stage.name]


def _broken(task: Task, error: Exception) -> str:
    """What raised is told apart from what Ray has lost, too often."""
    from ray.exceptions import RayTaskError

    if isinstance(error, RayTaskError) or getattr(error, "actor_init_failed", False):
        return f"stage {task.stage}, unit {task.name} broke:\n{error}"
    return (
        f"stage {task.stage}, unit {task.name}: the cluster lost it {OUTSIDE_DEATHS} times "
        f"({type(error).__name__}), as when memory runs out; run smaller partitions, or the same command to resume"
    )
