"""What the three trainings of the generator have in common: their noise, their rate, and a grid of samples to look at."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from manifests.randomness import generator
from stages.loop import Course, Job, falling
from stages.pictures import png
from stages.sketches.generator.config import Stretch
from stages.wholefile import write_atomically

GRIDS, FLOOR = "grids", 0.05


class PictureJob(Job):
    """A training of something that makes pictures."""

    config: Stretch

    @abstractmethod
    def terms(self, batch: dict[str, Any], step: int, noise: torch.Generator) -> dict[str, Tensor]:
        """`losses`; all noise is of the given generator."""

    @abstractmethod
    def grid(self) -> np.ndarray:
        """A picture (H, W, 3) uint8 that shows how far it has come. The networks have averaged weights."""

    def losses(self, batch: dict[str, Any], step: int) -> dict[str, Tensor]:
        """The terms of a step, with noise that follows from its number."""
        rng = generator(self.identity["seed"], f"noise-{step}", f"generator-{self.name}")
        return self.terms(batch, step, torch.Generator().manual_seed(int(rng.integers(2**62))))

    def rate(self, step: int) -> float:
        """Down to a twentieth."""
        return self.config.rate * falling(step, self.course.steps, self.config.warmup, FLOOR)

    def show(self, folder: Path, step: int, board: SummaryWriter) -> None:
        """A grid of samples, as PNG and in the TensorBoard file."""
        picture = self.grid()
        (folder / GRIDS).mkdir(exist_ok=True)
        write_atomically(folder / GRIDS / f"{step:07d}.png", png(picture))
        board.add_image("samples", picture, step, dataformats="HWC")
        board.flush()


def course_of(config: Stretch) -> Course:
    """What a profile says of one training."""
    shared = ("steps", "batch", "ema", "clip", "weight_decay", "checkpoint_every")
    return Course(**{name: getattr(config, name) for name in shared}, show_every=config.grid_every)
