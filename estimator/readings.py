"""What a frozen detector reads in augmented views of the sketches: read once, kept beside the training, then learned from.

The detector never changes while a lifter learns, and takes most of the time of a sketch; so each sketch is read in a few views, not
anew in every step.
"""

from collections.abc import Callable
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
from estimator.steps import learned_from
from manifests.errors import UserError
from manifests.randomness import generator
from manifests.recipe import Estimator
from manifests.skeleton import JOINTS
from stages.loop import Log
from stages.ranks import Ranks
from stages.tensorfile import read_tensors, write_tensors
from stages.training import stream

VIEWS = 3  # of each sketch: of more than one hardly any is worth less than a new sketch, and a third already helps little
_ROWS = 64  # views in a file
_TOLD = 0.3  # of the views: a user has put some joints in their place
_KEPT = ("joints", "sure", "others", "others_sure", "visibility", "features")  # of a Guidance: what a lifter is told

Read = Callable[[Tensor], Guidance]


class Reading(NamedTuple):
    """A batch of views: their labels, with pictures of no channels, and what the detector says of them."""

    truth: Batch
    told: Guidance


class Views(data.Dataset[Batch]):
    """Augmented views of the sketches that are learned from, in parts; a part follows from its number and the seed alone."""

    def __init__(self, sketches: Sketches, seed: int):
        self.sketches, self.seed, self.numbers = sketches, seed, learned_from(len(sketches))
        self.count = VIEWS * len(self.numbers)

    def __len__(self) -> int:
        return -(-self.count // _ROWS)

    def __getitem__(self, part: int) -> Batch:
        return collate([self._view(row) for row in range(part * _ROWS, min((part + 1) * _ROWS, self.count))])

    def _view(self, row: int):
        sketch = self.sketches[self.numbers[row % len(self.numbers)]]
        return augment(sketch, generator(self.seed, f"view-{row}", "augment"))


class Readings(data.Dataset[Reading]):
    """Item `step`: that step's batch, or this rank's share of it."""

    def __init__(self, columns: dict[str, Tensor], config: Estimator, seed: int, ranks: Ranks, start: str):
        self.columns, self.config, self.seed, self.ranks = columns, config, seed, ranks
        self.name = f"{start[:16]}-step" if start else "step"
        self.count = len(columns["pose"])

    def __getitem__(self, step: int) -> Reading:
        size, of_all = self.config.size, self.config.batch
        chosen = generator(self.seed, f"{self.name}-{step}", "estimator").choice(self.count, of_all, replace=self.count < of_all)
        slots = range(of_all)[self.ranks.rank :: self.ranks.size]
        rows = torch.from_numpy(chosen[list(slots)])
        truth = Batch(torch.empty(len(rows), 0, size, size), *(self.columns[name][rows] for name in Batch._fields[1:]))
        placed = torch.from_numpy(np.stack([self._placed(step, slot) for slot in slots]))
        told = _guidance({name: self.columns[_told(name)][rows].float() for name in _KEPT})
        return Reading(truth, told.corrected(torch.where(placed[..., None], truth.joints2d / size, torch.nan)))

    def _placed(self, step: int, slot: int) -> np.ndarray:
        """Which joints (16,) a user has put in their place beforehand: of most views none, of some a few or all."""
        rng = generator(self.seed, f"{self.name}-{step}-{slot}", "told")
        count = rng.integers(1, rng.integers(2, len(JOINTS) + 2)) if rng.random() < _TOLD else 0
        return rng.permutation(len(JOINTS)) < count


def read(
    views: Views, guide: Read, folder: Path, words: dict, ranks: Ranks, device: torch.device, workers: int, log: Log
) -> dict[str, Tensor]:
    """Columns of all views, read by all ranks and kept in `folder` until they are forgotten. What lies there of other `words`, as of
    another seed, is read anew."""
    files = [folder / f"{part:05d}.safetensors" for part in range(len(views))]
    lacking = [part for part in range(len(views))[ranks.rank :: ranks.size] if not _holds(files[part], words)]
    folder.mkdir(parents=True, exist_ok=True)
    if lacking:
        log(f"the detector reads {VIEWS} views of {len(views.numbers)} sketches, {len(lacking)} of {len(views)} parts")
    for part, batch in zip(lacking, stream(data.Subset(views, lacking), 0, len(lacking), workers), strict=True):
        write_tensors(files[part], _columns(batch, guide(batch.to(device).pixels)), words)
    ranks.wait()
    parts = [read_tensors(file)[0] for file in files]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def forget(folder: Path) -> None:
    """They are of no more use."""
    for file in folder.glob("*.safetensors"):
        file.unlink()
    folder.rmdir()


def _columns(batch: Batch, told: Guidance) -> dict[str, Tensor]:
    labels = {name: getattr(batch, name) for name in Batch._fields[1:]}
    said = {_told(name): getattr(told, name).cpu() for name in _KEPT}
    return labels | said | {_told("features"): told.features.half().cpu()}


def _told(name: str) -> str:
    return f"told_{name}"


def _guidance(told: dict[str, Tensor]) -> Guidance:
    """Without what a lifter is not told."""
    nothing = torch.empty(len(told["sure"]), 0)
    return Guidance(**told, share=nothing, height=nothing, corner=nothing, placed=torch.zeros_like(told["sure"]))


def _holds(file: Path, words: dict) -> bool:
    try:
        return read_tensors(file)[1] == words
    except UserError:
        return False
