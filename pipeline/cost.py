"""What a recipe will take, before anything is spent."""

import math
from collections import Counter
from dataclasses import dataclass

from pipeline.plan import Pipeline
from pipeline.progress import read_events
from pipeline.store import Store


@dataclass(frozen=True)
class Cost:
    """Samples wanted and planned, files, and hours of one core or one GPU; seconds a sample of each stage, of `index` a shard."""

    samples: int
    planned: int
    partitions: int
    shards: int
    gigabytes: float
    cpu_hours: float
    gpu_hours: float
    seconds: dict[str, float]
    measured: tuple[str, ...]  # stages whose rate was measured by earlier launches


def cost(pipeline: Pipeline, store: Store | None) -> Cost:
    """Reckoned from the rates of earlier launches in the folder, else from the recipe's `plan`."""
    recipe = pipeline.recipe
    partitions = pipeline.base_partitions()
    planned = len(partitions) * recipe.partition_size
    rates = measured_rates(store) if store else {}
    of_style = recipe.val.per_style
    held_out = round(recipe.poses.count * recipe.split.val) if of_style is None else of_style * len(recipe.styles)
    in_a_shard = min(recipe.shards.samples, max(1, int(recipe.shards.megabytes * 1e6 / recipe.plan.bytes_per_sample)))
    shards = sum(math.ceil(n / in_a_shard) for n in (recipe.poses.count - held_out, held_out) if n)
    known = {**{str(name): rate for name, rate in recipe.plan.seconds_per_sample.items()}, **rates}
    seconds = {s.name: known.get(s.name, 0.0) for s in pipeline.stages}
    hours = {"cpu": 0.0, "gpu": 0.0}
    for name, each in seconds.items():
        hours["gpu" if pipeline.needs[name].gpus else "cpu"] += each * (shards if name == "index" else planned) / 3600
    size = recipe.poses.count * recipe.plan.bytes_per_sample / 1e9
    return Cost(recipe.poses.count, planned, len(partitions), shards, size, hours["cpu"], hours["gpu"], seconds, tuple(sorted(rates)))


def measured_rates(store: Store) -> dict[str, float]:
    """Seconds a sample of each stage, of `index` a shard, from the folder's event logs."""
    seconds: Counter = Counter()
    samples: Counter = Counter()
    for event in read_events(store):
        if event.get("event") == "unit":
            seconds[event["stage"]] += event["seconds"]
            samples[event["stage"]] += event["given"]
    return {stage: seconds[stage] / n for stage, n in sorted(samples.items()) if n}
