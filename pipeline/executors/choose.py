"""Which executor a launch asks for, and whether it can work with the recipe and the run folder."""

from dataclasses import dataclass

from manifests.errors import UserError
from manifests.recipe import Recipe
from pipeline.executors import Executor
from pipeline.executors.child import Job
from pipeline.executors.inline import InlineExecutor
from pipeline.executors.local import LocalExecutor
from pipeline.plan import Pipeline
from pipeline.store import Store
from pipeline.work import device_of


@dataclass(frozen=True)
class Where:
    """ray: on a Ray cluster; address: the one to join, None starts one on this machine."""

    ray: bool = False
    address: str | None = None

    @classmethod
    def of(cls, executor: str, address: str) -> "Where":
        """From the words of the command line."""
        if executor not in ("local", "ray"):
            raise UserError(f"--executor {executor}: expected local or ray")
        if address and executor != "ray":
            raise UserError(f"--ray-address {address}: only --executor ray joins a cluster")
        return cls(executor == "ray", address or None)

    def check(self, recipe: Recipe, store: Store) -> None:
        """Raises UserError where the run could not work, before anything is written."""
        if store.is_memory and (self.ray or recipe.run.workers):
            raise UserError(f"{store.url}: memory:// lives in one process; use --executor local and --set run.workers=0")
        if self.ray and not recipe.run.workers:
            raise UserError("run.workers: expected at least 1 with --executor ray, got 0")

    def open(self, pipeline: Pipeline, store: Store, mark: tuple[str, str]) -> Executor:
        """Ready to take tasks; mark: as RunLock has it. Raises UserError where a stage needs what is not there."""
        run = pipeline.recipe.run
        job = Job(pipeline.recipe.model_dump_json(), pipeline.specs, store.address, mark)
        if self.ray:
            from pipeline.executors.ray import RayExecutor

            return RayExecutor(pipeline, job, self.address)
        for stage in pipeline.stages:
            if device_of(pipeline, stage.name) == "cuda" and run.workers > 1:
                raise UserError(
                    f"stage {stage.name}: each of run.workers={run.workers} processes would load its model onto one GPU; --executor ray "
                    "starts one for each GPU, --set run.workers=1 one here"
                )
        return LocalExecutor(job, run.workers, run) if run.workers else InlineExecutor(pipeline, store)


HERE = Where()
