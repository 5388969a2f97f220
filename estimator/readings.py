"""What a frozen detector reads in augmented views of the sketches: read once, kept beside the training, then learned from.

The detector never changes while a lifter learns, and takes most of the time of a sketch; so each sketch is read in a few views, not
anew in every step.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils import data

from estimator.augment import augment
from estimator.batch import Batch, collate
from estimator.data import Sketches
from estimator.guidance import Guidance
from estimator.steps import chosen_of, learned_from, stream_name
from manifests.errors import UserError
from manifests.randomness import generator
from manifests.recipe import Estimator
from manifests.skeleton import JOINTS
from stages.loop import Log
from stages.ranks import Ranks
from stages.tensorfile import read_tensors, words_in, write_tensors
from stages.training import stream

VIEWS = 3  # of each sketch, at most: a third already helps little
_ROWS = 64  # views in a file
_SAY_EVERY = 50  # files
_PLACED = 0.3  # of the views: a user has put some joints in their place
_KEPT = ("joints", "sure", "others", "others_sure", "visibility", "features")  # of a Guidance: what a lifter is told


class Reading(NamedTuple):
    """A batch of views: their labels, with pictures of no channels, and what the detector says of them."""

    truth: Batch
    told: Guidance


class Views(data.Dataset[Batch]):
    """Augmented views of the sketches that are learned from, in parts; a part follows from its number, seed and start alone. No more
    views of each than so many steps would come to see."""

    def __init__(self, sketches: Sketches, config: Estimator, seed: int, start: str = ""):
        self.sketches, self.seed, self.numbers = sketches, seed, learned_from(len(sketches))
        self.name = stream_name("view", start)
        self.each = min(VIEWS, -(-config.steps * config.batch // len(self.numbers)))
        self.count = self.each * len(self.numbers)
        # What decides what is read, besides the detector.
        self.words = {"seed": seed, "start": start, "each": self.each, "rows": _ROWS}

    def __len__(self) -> int:
        return -(-self.count // _ROWS)

    def __getitem__(self, part: int) -> Batch:
        return collate([self._view(row) for row in range(part * _ROWS, min((part + 1) * _ROWS, self.count))])

    def _view(self, row: int):
        sketch = self.sketches[self.numbers[row % len(self.numbers)]]
        return augment(sketch, generator(self.seed, f"{self.name}-{row}", "augment"))


class Readings(data.Dataset[Reading]):
    """Item `step`: that step's batch, or this rank's share of it."""

    def __init__(self, columns: dict[str, Tensor], config: Estimator, seed: int, ranks: Ranks, start: str):
        self.columns, self.config, self.seed, self.ranks = columns, config, seed, ranks
        self.name = stream_name("step", start)

    def __getitem__(self, step: int) -> Reading:
        size, of_all = self.config.size, self.config.batch
        slots = range(of_all)[self.ranks.rank :: self.ranks.size]
        rows = torch.from_numpy(chosen_of(len(self.columns["pose"]), of_all, self.seed, f"{self.name}-{step}")[list(slots)])
        nothing = torch.empty(len(rows), 0, size, size, dtype=torch.uint8)
        truth = Batch(nothing, *(self.columns[name][rows] for name in Batch._fields[1:]))
        placed = torch.from_numpy(np.stack([self._placed(step, slot) for slot in slots]))
        told = _guidance({name: self.columns[_column(name)][rows].float() for name in _KEPT})
        return Reading(truth, told.corrected(torch.where(placed[..., None], truth.joints2d / size, torch.nan)))

    def _placed(self, step: int, slot: int) -> np.ndarray:
        """Which joints (16,) a user has put in their place beforehand: of most views none, of some a few or all."""
        rng = generator(self.seed, f"{self.name}-{step}-{slot}", "placed")
        count = rng.integers(1, rng.integers(2, len(JOINTS) + 2)) if rng.random() < _PLACED else 0
        return rng.permutation(len(JOINTS)) < count


@dataclass(frozen=True)
class Reader:
    """Reads all views with a detector, on its device, into a folder of parts; what lies there of other words, as of another detector, is
    read anew. workers: processes that prepare views."""

    views: Views
    detect: Callable[[Tensor], Guidance]
    folder: Path
    words: dict
    device: torch.device
    workers: int
    log: Log

    def read(self, ranks: Ranks) -> dict[str, Tensor]:
        """Columns of all views; each rank reads its share of the parts. Raises UserError where one does not find the others'."""
        words = self.words | self.views.words
        files = [self.folder / f"{part:05d}.safetensors" for part in range(len(self.views))]
        self._make([file for file in files[ranks.rank :: ranks.size] if words_in(file) != words], words)
        ranks.wait()
        columns = self._joined(files, words)
        ranks.wait()  # the first rank forgets them when it is done, which may be at once
        return columns

    def _joined(self, files: list[Path], words: dict) -> dict[str, Tensor]:
        """Each column is made once, in its full length: the views of a large data set are gigabytes."""
        columns: dict[str, Tensor] = {}
        for number, file in enumerate(files):
            for name, value in _part(file, words).items():
                whole = columns.setdefault(name, value.new_empty((self.views.count, *value.shape[1:])))
                whole[number * _ROWS : number * _ROWS + len(value)] = value
        return columns

    def _make(self, lacking: list[Path], words: dict) -> None:
        if not lacking:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        of = f"{self.views.each} views of {len(self.views.numbers)} sketches"
        self.log(f"the detector reads {of}, {len(lacking)} of {len(self.views)} parts")
        chosen = data.Subset(self.views, [int(file.stem) for file in lacking])
        for done, (file, batch) in enumerate(zip(lacking, stream(chosen, 0, len(lacking), self.workers), strict=True), 1):
            write_tensors(file, _columns(batch, self.detect(batch.to(self.device).pixels)), words)
            if done % _SAY_EVERY == 0:
                self.log(f"{done} of {len(lacking)} parts read")


def forget(folder: Path) -> None:
    """Its readings are of no more use."""
    shutil.rmtree(folder, ignore_errors=True)


def _part(file: Path, words: dict) -> dict[str, Tensor]:
    columns, said = read_tensors(file)
    if said != words:
        raise UserError(f"{file}: read for another training; all ranks of a training need the same folder")
    return columns


def _columns(batch: Batch, told: Guidance) -> dict[str, Tensor]:
    labels = {name: getattr(batch, name) for name in Batch._fields[1:]}
    return labels | {_column(name): getattr(told._replace(features=told.features.half()), name).cpu() for name in _KEPT}


def _column(name: str) -> str:
    return f"told_{name}"


def _guidance(told: dict[str, Tensor]) -> Guidance:
    """Without what a lifter is not told."""
    nothing = torch.empty(len(told["sure"]), 0)
    return Guidance(**told, share=nothing, height=nothing, corner=nothing, placed=torch.zeros_like(told["sure"]))
