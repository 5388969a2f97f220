"""A pipeline that draws sticks in no time, and then selects, packs and indexes as the real one does."""

import numpy as np
import pyarrow as pa

from manifests import schema
from manifests.randomness import split_of
from manifests.recipe import Recipe
from manifests.recipe_files import check_recipe
from manifests.stage import Stage
from tests.estimator.figures import stick_row

SPECS = ("tests.sticks:Sticks", "stages.select:Select", "stages.shards.stage:Shards", "stages.shards.index:IndexStage")
TABLES = (schema.POSES, schema.PROJECTIONS, schema.SKETCHES, schema.FILTER)


class Sticks(Stage):
    """Every column that a shard wants, in one go; one figure of nine is rejected."""

    name = "poses"
    version = 1
    config = ("poses", "split")
    writes = pa.schema({f.name: f for table in TABLES for f in table}.values())

    def process(self, table, ctx):
        rows = [self._row(sample_id) for sample_id in table["sample_id"].to_pylist()]
        return schema.to_table(self.writes, {name: [row[name] for row in rows] for name in self.writes.names})

    def _row(self, sample_id):
        style, _, number = sample_id.rpartition("-")
        row = stick_row(int(number) * 2 + (style == "stick"), "train")
        rejected = {"reason": "unlucky: it was its turn" if int(number) % 9 == 4 else "", "pose_world": np.zeros((24, 3))}
        return row | rejected | {"sample_id": sample_id, "split": split_of(row["source_id"], self.cfg.split.val)}


def recipe(count: int = 24, **more) -> Recipe:
    """Two styles in partitions of six; a key of a section is written `shards__samples`."""
    data: dict = {
        "name": "sticks", "seed": 3, "styles": ["ink", "stick"], "partition_size": 6, "poses": {"count": count, "oversample": 1.3},
        "shards": {"samples": 4}, "split": {"val": 0.3}, "run": {"workers": 0}, "projections": {"size": 128},
    }  # fmt: skip
    for key, value in more.items():
        section, _, name = key.partition("__")
        data[section] = {**data.get(section, {}), name: value} if name else value
    return check_recipe(data, "sticks")
