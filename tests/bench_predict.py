"""Milliseconds a sketch of `load_estimator`, by part, one sketch at a time and 32, alone and refined, and of the optimisation fit:
`make bench-predict`; the last line is one JSON object.

60 fixed sketches of the renderer, read from files. Parts: `scan` decodes and cleans a file, `finder` finds the figure, `joints` reads
its joints, `network` is the model, `figures` all the rest (crops, frames). Each figure is the second fastest of several rounds over
all sketches.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import torch

from estimator import load_estimator, refining
from estimator.corrections import Corrections
from estimator.hints import Hints
from estimator.lifter import Lifter
from estimator.load import Estimator
from manifests.errors import command
from manifests.skeleton import STYLES
from stages.library.studio import Studio, recipe_of
from stages.ranks import default_device
from stages.scan import read_scan
from tests.timing import Clock

SEED, SIZE = 61, 256
COUNT, BATCH = 60, 32
TIMED = ("scan", "finder", "joints", "network", "fit")
FIGURES = "figures"  # the rest

Parts = dict[str, float]  # ms a sketch of each part, and of "all"


def sketches(folder: Path, count: int) -> list[Path]:
    """Files of held-out drawings, the styles in turn; always the same."""
    table = Studio(recipe_of(SEED, SIZE)).chunk(0, "val", -(-count // len(STYLES)))
    paths = [folder / f"{name}.jpg" for name in table["sample_id"].to_pylist()[:count]]
    for path, data in zip(paths, table["image"].to_pylist(), strict=False):
        path.write_bytes(data)
    return paths


def one_round(estimator: Estimator, paths: Sequence[Path], batch: int, clock: Clock) -> Parts:
    """Milliseconds a sketch of each part and in all, `batch` sketches read together."""
    clock.spent.clear()
    began = time.perf_counter()
    for i in range(0, len(paths), batch):
        part = paths[i : i + batch]
        scanned = time.perf_counter()
        scans = [read_scan(path) for path in part]
        clock.spent["scan"] += time.perf_counter() - scanned
        nothing: list[Corrections] = [{} for _ in part]
        estimator.read(scans, [Hints()] * len(part), nothing)
    whole = time.perf_counter() - began
    seconds = {name: clock.spent[name] for name in TIMED if name in clock.spent}
    seconds |= {FIGURES: whole - sum(seconds.values()), "all": whole}
    return {name: round(1000 * value / len(paths), 2) for name, value in seconds.items()}


def second_fastest(estimator: Estimator, paths: Sequence[Path], batch: int, rounds: int, clock: Clock) -> Parts:
    """The round that was slower than one other, after one that warms up; so the parts add up to the whole."""
    one_round(estimator, paths[:batch], batch, clock)
    return sorted((one_round(estimator, paths, batch, clock) for _ in range(rounds)), key=lambda parts: parts["all"])[1]


def watched(estimator: Estimator) -> Clock:
    """A clock on the parts of an estimator."""
    clock = Clock(default_device().type)
    clock.watch("finder", estimator.detector.finder, "look")
    clock.watch("joints", estimator.detector, "read")
    if estimator.network:
        clock.watch("network", estimator.network.net, "forward")
        if isinstance(estimator.network.net, Lifter):  # reads its joints before
            clock.watch("network", estimator.network.net, "read")
    if estimator.refine or not estimator.network:
        clock.watch("fit", refining, "fit")
    return clock


def both(estimator: Estimator, paths: Sequence[Path], rounds: int, what: str) -> tuple[Parts, Parts]:
    """One sketch at a time, and BATCH."""
    clock = watched(estimator)
    found = second_fastest(estimator, paths, 1, rounds, clock), second_fastest(estimator, paths, BATCH, rounds, clock)
    for batch, parts in zip((1, BATCH), found, strict=True):
        print(f"{what}, {batch:2} at a time, ms a sketch: " + ", ".join(f"{name} {ms:.1f}" for name, ms in parts.items()))
    return found


def measure(weights: Path | None, count: int, rounds: int, dtype: Any) -> dict[str, Any]:
    """Every figure, in ms a sketch."""
    estimator = load_estimator(weights, dtype=dtype)
    with tempfile.TemporaryDirectory() as folder:
        paths = sketches(Path(folder), count)
        print(f"{count} sketches of {SIZE} px, {torch.get_num_threads()} threads, joints in {dtype}, {weights or 'the bundled weights'}")
        alone, together = both(estimator, paths, rounds, "model")
        refined, refined_together = both(load_estimator(weights, refine=True, dtype=dtype), paths, rounds, "refined")
        fit, fit_together = both(load_estimator(method="fit", dtype=dtype), paths, rounds, "fit")
    return {
        "dtype": dtype, "ms_batch1": alone["all"], "ms_per_sketch_batch32": together["all"], "fit_ms": fit["fit"],
        "refined_ms_batch1": refined["all"], "refined_ms_per_sketch_batch32": refined_together["all"],
        "parts_batch1": alone, "parts_batch32": together, "refined_parts_batch1": refined, "refined_parts_batch32": refined_together,
        "fit_parts_batch1": fit, "fit_parts_batch32": fit_together,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="folder of a finished training; none for the bundled model")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of reading joints")
    parser.add_argument("--count", type=int, default=COUNT, help="sketches")
    parser.add_argument("--rounds", type=int, default=3, help="at least two, over all sketches; the second fastest counts")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    print(json.dumps(measure(args.weights, args.count, args.rounds, args.dtype)))


if __name__ == "__main__":
    command(main)
