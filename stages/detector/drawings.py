"""Drawings of the renderer to learn from: `python -m stages.detector.drawings CACHE --count 20000 --workers 2`.

A cache holds chunks of drawings as .npz, made by the pipeline's own stages. A chunk depends on the seed and its number alone;
it is written whole or not at all, so several processes can fill one cache, and a cut-off one goes on where it was.
"""

import argparse
import io
import multiprocessing
from pathlib import Path

import numpy as np
import pyarrow as pa

from manifests.errors import command
from manifests.recipe import Recipe
from manifests.schema import to_numpy
from manifests.skeleton import STYLES
from stages.detector.cache import SPLITS, chunk_name, claim, of_chunk
from stages.sketches import studio
from stages.sketches.studio import drawn_by
from stages.tensorfile import write_atomically

EACH = 10  # drawings of each style in a chunk
SEED, SIZE = 7001, 256


def recipe_of(seed: int = SEED) -> Recipe:
    """What the drawings of a cache are made from."""
    return studio.recipe_of(seed, SIZE)


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
    artist = studio.Studio(recipe_of(seed)) if lacking else None
    for index in lacking:
        path = cache / split / chunk_name(seed, index)
        if artist is None or path.exists():  # another process was faster
            continue
        out = io.BytesIO()
        np.savez(out, **_arrays(artist.chunk(index, split, EACH)))  # type: ignore[arg-type]
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
