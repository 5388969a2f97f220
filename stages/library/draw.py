"""Drawings of the renderer to learn from: `python -m stages.library.draw LIBRARY --train 25000 --val 360 --workers 2`.

A chunk depends on the recipe and its number alone and is written whole or not at all, so several processes can fill one library, and a
cut-off one goes on where it was. Detector and generator can learn from the same.
"""

import argparse
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import torch

from manifests.errors import UserError, command
from manifests.recipe import Recipe
from manifests.schema import rows_of, to_numpy
from manifests.skeleton import STYLES
from stages.body.figure import LABELS, figure_of_row
from stages.body.model import load_body
from stages.library.chunks import SPLITS, chunk_path, claim, write_chunk
from stages.library.studio import Studio, drawn_by, recipe_of
from stages.pictures import png
from stages.sketches.drawing.layer import UNITS
from stages.sketches.generator.conditions import MAPS, part_map

EACH = 10  # drawings of each style in a chunk
SEED, SIZE = 7001, 256


def fill(
    library: Path, recipe: Recipe, wanted: dict[str, int], each: int = EACH, workers: int = 1, log: Callable[[str], None] = print
) -> None:
    """Draw what the library lacks of `wanted`: drawings of each split, in whole chunks of `each` of every style."""
    claim(library, drawn_by(recipe, MAPS, each))
    of_chunk = each * len(STYLES)
    jobs = [(chunk_path(library, split, f"{i:05d}"), split, i) for split, count in wanted.items() for i in range(-(-count // of_chunk))]
    lacking = [(*job, each, recipe) for job in jobs if not job[0].exists()]
    if not lacking:
        return
    log(f"{library}: {len(lacking)} chunks of {of_chunk} drawings to draw")
    if workers < 2:
        for job in lacking:
            _draw(job)
        return
    for done, _ in enumerate(_drawn(library, lacking, workers), 1):
        if done % 20 == 0 or done == len(lacking):
            log(f"{library}: {done} of {len(lacking)} chunks drawn")


def _drawn(library: Path, jobs: list[tuple], workers: int) -> Iterator[None]:
    """Once for each job that a process has done."""
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _settle)
    try:
        for job in as_completed([pool.submit(_draw, job) for job in jobs]):
            job.result()
            yield
    except BrokenProcessPool:
        raise UserError(f"{library}: a drawing process was killed; the same command goes on") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _draw(job: tuple[Path, str, int, int, Recipe]) -> None:
    path, split, index, each, recipe = job
    if path.exists():  # another process was faster
        return
    table = _studio(recipe.model_dump_json()).chunk(index, split, each)
    if not path.exists():
        _store(path, table, recipe.projections.size)


@lru_cache(1)
def _studio(recipe: str) -> Studio:
    """One studio a process, kept from chunk to chunk."""
    return Studio(Recipe.model_validate_json(recipe))


def _store(path: Path, table: pa.Table, size: int) -> None:
    arrays = {
        "joints": to_numpy(table, "joints2d").astype(np.float32),
        "depth": to_numpy(table, "joints3d_drawn")[..., 2].astype(np.float32),
        "visibility": to_numpy(table, "visibility"),
        "boxes": to_numpy(table, "bbox").astype(np.float32),
        "styles": np.array([STYLES.index(style) for style in table["style"].to_pylist()], np.uint8),
    }
    names = {"ids": "sample_id", "appearance": "appearance", "motion": "motion"}
    words = {key: table[name].to_pylist() for key, name in names.items()}
    write_chunk(path, table["image"].to_pylist(), _maps(table, size), arrays, words)


def _maps(table: pa.Table, size: int) -> list[bytes]:
    """The part map of each row, 256 pixels a side whatever the picture's size, as PNG."""
    body, scale = load_body(), UNITS / size
    return [png(part_map(figure_of_row(body, row, UNITS, scale)), 4) for row in rows_of(table.select(LABELS))]


def _settle() -> None:
    """A drawing process has one thread: there is one for each core. It ends at Ctrl-C and with its parent, whatever it draws."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    for split in SPLITS:
        parser.add_argument(f"--{split}", type=int, default=0, help=f"drawings of the split {split}, of all styles together")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--size", type=int, default=SIZE, help="side of the pictures in pixels")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    fill(args.library, recipe_of(args.seed, args.size), {split: getattr(args, split) for split in SPLITS}, workers=args.workers)


if __name__ == "__main__":
    command(main)
