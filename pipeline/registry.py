"""The stages of SKEP in their order. Named, not imported: `skep --help` loads none of them."""

import importlib

from manifests.stage import Stage

STAGES = (
    "stages.poses.stage:Poses",
    "stages.projections.stage:Projections",
    "stages.sketches.stage:Sketches",
    "stages.filters.stage:Filter",
    "stages.select:Select",
    "stages.shards.stage:Shards",
    "stages.shards.index:IndexStage",
)


def load_stage(spec: str) -> type[Stage]:
    """The class behind `module:Class`."""
    module, _, name = spec.partition(":")
    return getattr(importlib.import_module(module), name)
