"""What a recipe will take, before anything is spent."""

import math
from collections import Counter
from dataclasses import dataclass

from manifests.recipe import Recipe
from pipeline.plan import Pipeline
from pipeline.progress import read_events
from pipeline.store import Store

_LABELS = 10_000  # bytes of a sample that are not its picture, as those of the demo
_BYTES_PER_PIXEL = {"png": 0.76, "jpg": 0.12}  # of the demo's pictures


@dataclass(frozen=True)
class Cost:
    """Samples wanted and planned, files, and hours of one core or one GPU; seconds a sample of each stage, of `index` a shard.

    measured: the stages whose rate earlier launches have measured; the others' is the recipe's. shards among them: the bytes too.
    """

    samples: int
    planned: int
    partitions: int
    shards: int
    gigabytes: float
    cpu_hours: float
    gpu_hours: float
    seconds: dict[str, float]
    measured: tuple[str, ...]

    @property
    def assumed(self) -> tuple[str, ...]:
        """The stages that nothing was measured of."""
        return tuple(stage for stage in self.seconds if stage not in self.measured)


def cost(pipeline: Pipeline, store: Store | None) -> Cost:
    """Reckoned from the rates of earlier launches in the folder, else from the recipe's `plan`."""
    recipe = pipeline.recipe
    partitions = pipeline.base_partitions()
    planned = len(partitions) * recipe.partition_size
    rates = measured_rates(store) if store else {}
    each = bytes_per_sample(recipe, store)
    of_style = recipe.val.per_style
    held_out = round(recipe.poses.count * recipe.split.val) if of_style is None else of_style * len(recipe.styles)
    in_a_shard = min(recipe.shards.samples, max(1, int(recipe.shards.megabytes * 1e6 / each)))
    shards = sum(math.ceil(n / in_a_shard) for n in (recipe.poses.count - held_out, held_out) if n)
    usual = type(recipe.plan)().seconds_per_sample  # of the stages that a recipe does not name
    known = {str(name): rate for name, rate in (usual | recipe.plan.seconds_per_sample).items()} | rates
    seconds = {s.name: known.get(s.name, 0.0) for s in pipeline.stages}
    hours = {"cpu": 0.0, "gpu": 0.0}
    for name, rate in seconds.items():
        hours["gpu" if pipeline.needs[name].gpus else "cpu"] += rate * (shards if name == "index" else planned) / 3600
    size, measured = recipe.poses.count * each / 1e9, tuple(sorted(rates))
    return Cost(recipe.poses.count, planned, len(partitions), shards, size, hours["cpu"], hours["gpu"], seconds, measured)


def bytes_per_sample(recipe: Recipe, store: Store | None) -> float:
    """Of the dataset: as earlier launches have measured it, as the recipe says, or by the size and format of the pictures."""
    units = [e for e in read_events(store) if e.get("event") == "unit"] if store else []
    if packed := [e for e in units if e["stage"] == "shards" and e.get("bytes")]:
        return sum(e["bytes"] for e in packed) / sum(e["given"] for e in packed)
    pixels = recipe.projections.size**2 * _BYTES_PER_PIXEL[recipe.sketches.image_format]
    return recipe.plan.bytes_per_sample or _LABELS + pixels


def measured_rates(store: Store) -> dict[str, float]:
    """Seconds a sample of each stage, of `index` a shard, from the folder's event logs."""
    seconds: Counter = Counter()
    samples: Counter = Counter()
    for event in read_events(store):
        if event.get("event") == "unit":
            seconds[event["stage"]] += event["seconds"]
            samples[event["stage"]] += event["given"]
    return {stage: seconds[stage] / n for stage, n in sorted(samples.items()) if n}
