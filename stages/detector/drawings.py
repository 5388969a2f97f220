"""Drawings of the renderer to learn from: `python -m stages.detector.drawings CACHE --count 20000 --workers 2`.

A cache holds chunks of drawings as .npz, made by the pipeline's own stages. A chunk depends on the seed and its number alone;
it is written whole or not at all, so several processes can fill one cache, and a cut-off one goes on where it was.
"""

import argparse
import hashlib
import io
import multiprocessing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import command
from manifests.recipe import Recipe, load_recipe
from manifests.schema import LOSSES, PLANNED, to_numpy
from manifests.skeleton import STYLES
from manifests.stage import Config, Context, Stage
from stages.detector.cache import SPLITS, chunk_name, claim, of_chunk
from stages.poses.stage import Poses
from stages.projections.stage import Projections
from stages.sketches.stage import Sketches
from stages.tensorfile import write_atomically

EACH = 10  # drawings of each style in a chunk
SEED, VAL = 7001, 0.15
_STAGES: tuple[type[Stage], ...] = (Poses, Projections, Sketches)
_CANDIDATES, _AT_ONCE = 250, 25  # ids of each style that a chunk may try, and how many in one go


def recipe_of(seed: int = SEED) -> Recipe:
    """The demo's poses and projections, drawn by the renderer."""
    return load_recipe("demo", [f"seed={seed}", f"split.val={VAL}", "sketches.source=renderer", "sketches.image_format=jpg"])


def drawn_by(recipe: Recipe) -> str:
    """Digest of what decides the pictures: what the stages read of the recipe, and their versions."""
    words = recipe.model_dump_json(include={"seed", "body", "split", "poses", "projections", "sketches"})
    return hashlib.sha256((words + str([(stage.name, stage.version) for stage in _STAGES])).encode()).hexdigest()[:16]


class Studio:
    """The stages from poses to sketches, in one process."""

    def __init__(self, recipe: Recipe):
        self.seed = recipe.seed
        self.stages = [stage(Config(recipe, stage.config)) for stage in _STAGES]
        for stage in self.stages:
            stage.setup("cpu")

    def chunk(self, index: int, split: str) -> pa.Table:
        """EACH drawings of each style whose sources are of the split, with all labels; fewer where the candidates run out."""
        rows: list[pa.Table] = []
        for first in range(index * _CANDIDATES, (index + 1) * _CANDIDATES, _AT_ONCE):
            lacking = [style for style in STYLES if _count(rows, style) < EACH]
            if lacking:
                rows.append(self._posed([f"{style}-{first + i:06d}" for style in lacking for i in range(_AT_ONCE)], split))
        table = pa.concat_tables(rows)
        first_of = [i for style in STYLES for i in _where(table, "style", style)[:EACH]]
        return self._through(self.stages[2], table.take(first_of))

    def _posed(self, ids: list[str], split: str) -> pa.Table:
        """Those of the ids that are of the split and pass the first two stages, with their labels."""
        known = pa.table([ids, [i.partition("-")[0] for i in ids]], schema=PLANNED)
        known = self._through(self.stages[0], known)
        known = self._through(self.stages[1], known.take(_where(known, "split", split)))
        return known.drop_columns(["motion", "reason"])

    def _through(self, stage: Stage, known: pa.Table) -> pa.Table:
        """All columns of the rows that the stage does not reject."""
        ctx = Context(self.seed, stage.name, "chunk", None, "cpu", LOSSES.empty_table())  # type: ignore[arg-type]
        made = stage.process(known.select(["sample_id", "style", *stage.reads]), ctx)
        for name in made.schema.names:
            if name in known.schema.names:
                known = known.drop_columns([name])
            known = known.append_column(made.schema.field(name), made.column(name))
        return known.filter(pc.equal(known["reason"], ""))


def _where(table: pa.Table, column: str, value: str) -> list[int]:
    return np.flatnonzero(np.array(table[column].to_pylist()) == value).tolist()


def _count(tables: list[pa.Table], style: str) -> int:
    return sum(len(_where(table, "style", style)) for table in tables)


def _arrays(table: pa.Table) -> dict[str, np.ndarray]:
    images = table["image"].to_pylist()
    return {
        "bytes": np.frombuffer(b"".join(images), np.uint8),
        "ends": np.cumsum([len(image) for image in images]),
        "joints": to_numpy(table, "joints2d").astype(np.float32),
        "visibility": to_numpy(table, "visibility"),
        "boxes": to_numpy(table, "bbox").astype(np.float32),
        "styles": np.array([STYLES.index(style) for style in table["style"].to_pylist()], np.uint8),
        "ids": np.array(table["sample_id"].to_pylist(), "S"),
    }


def fill(cache: Path, split: str, indices: list[int], seed: int = SEED) -> None:
    """Draw the chunks of these numbers that the cache lacks."""
    lacking = [i for i in indices if not (cache / split / chunk_name(seed, i)).exists()]
    studio = Studio(recipe_of(seed)) if lacking else None
    for index in lacking:
        path = cache / split / chunk_name(seed, index)
        if studio is None or path.exists():  # another process was faster
            continue
        out = io.BytesIO()
        np.savez(out, **_arrays(studio.chunk(index, split)))  # type: ignore[arg-type]
        write_atomically(path, out.getvalue())
        print(f"{split} chunk {index}, the last is {indices[-1]}", flush=True)


def fill_with(workers: int, cache: Path, split: str, chunks: int, seed: int = SEED) -> None:
    """The first `chunks` chunks, drawn by so many processes; the first part of the work compiles what all share."""
    claim(cache, drawn_by(recipe_of(seed)))
    if workers < 2:
        fill(cache, split, list(range(chunks)), seed)
        return
    jobs = [(cache, split, list(range(worker, chunks, workers)), seed) for worker in range(workers)]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.starmap(fill, jobs)


def chunks_for(count: int) -> int:
    """Chunks that hold `count` drawings."""
    return -(-count // of_chunk(EACH))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--count", type=int, default=20_000, help="drawings, of all styles together")
    parser.add_argument("--split", choices=SPLITS, default="train", help="train: to learn from; val: held out")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    fill_with(args.workers, args.cache, args.split, chunks_for(args.count), args.seed)


if __name__ == "__main__":
    command(main)
