"""Drawings of the renderer to learn from, made by the pipeline's own stages: chunks that depend on the recipe and a number alone."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.recipe import Recipe
from manifests.recipe_files import load_recipe
from manifests.sample import style_of
from manifests.schema import PLANNED
from manifests.skeleton import STYLES
from manifests.stage import Config, Stage, widened
from stages.poses.stage import Poses
from stages.projections.stage import Projections
from stages.sketches.stage import Sketches

STAGES: tuple[type[Stage], ...] = (Poses, Projections, Sketches)
VAL = 0.15  # share of the sources held out
_SIDES = (128, 256, 512)  # of pictures that the stages can make
_CANDIDATES, _AT_ONCE = 250, 14  # ids of each style that a chunk may try, and how many in one go


def recipe_of(seed: int, size: int) -> Recipe:
    """The demo's poses and projections, drawn by the renderer, `size` pixels a side."""
    changes = [f"seed={seed}", f"split.val={VAL}", f"projections.size={size}", "sketches.source=renderer", "sketches.image_format=jpg"]
    return load_recipe("demo", changes)


def side_of(size: int) -> int:
    """Side of the pictures to draw for a model of this size: never smaller, if there is such a one."""
    return next((side for side in _SIDES if side >= size), _SIDES[-1])


def drawn_by(recipe: Recipe, *more: int) -> str:
    """Digest of what decides the pictures: what the stages read of the recipe, and versions: theirs, and `more`."""
    words = recipe.model_dump_json(include={"seed", "body", "split", "poses", "projections"})
    versions = [(stage.name, stage.version) for stage in STAGES]
    return hashlib.sha256(f"{words} {versions} {more}".encode()).hexdigest()[:16]


class Studio:
    """The stages from poses to sketches, in one process."""

    def __init__(self, recipe: Recipe):
        self.seed = recipe.seed
        self.stages = [stage(Config(recipe, stage.config)) for stage in STAGES]
        for stage in self.stages:
            stage.setup("cpu")

    def chunk(self, index: int, split: str, each: int) -> pa.Table:
        """All columns of `each` drawings of every style whose sources are of the split; fewer where the candidates run out."""
        rows: list[pa.Table] = []
        end = (index + 1) * _CANDIDATES
        for first in range(index * _CANDIDATES, end, _AT_ONCE):
            lacking = [style for style in STYLES if _count(rows, style) < each]
            if lacking:
                numbers = range(first, min(first + _AT_ONCE, end))
                rows.append(self._posed([f"{style}-{i:06d}" for style in lacking for i in numbers], split))
        table = pa.concat_tables(rows)
        by_style = [_where(table, "style", style)[:each] for style in STYLES]
        taken = [rows[k] for k in range(each) for rows in by_style if k < len(rows)]  # the styles in turn
        return self._through(self.stages[2], table.take(taken))

    def _posed(self, ids: list[str], split: str) -> pa.Table:
        """Those of the ids that are of the split and pass the first two stages, with their labels."""
        known = pa.table([ids, [style_of(i) for i in ids]], schema=PLANNED)
        known = self._through(self.stages[0], known)
        return self._through(self.stages[1], known.take(pa.array(_where(known, "split", split), pa.int64())))  # there may be none

    def _through(self, stage: Stage, known: pa.Table) -> pa.Table:
        """All columns of the rows that the stage does not reject."""
        known = widened(known, stage, self.seed)
        return known.filter(pc.equal(known["reason"], ""))


def _where(table: pa.Table, column: str, value: str) -> list[int]:
    return np.flatnonzero(np.array(table[column].to_pylist()) == value).tolist()


def _count(tables: list[pa.Table], style: str) -> int:
    return sum(len(_where(table, "style", style)) for table in tables)
