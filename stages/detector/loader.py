"""Batches for training. The step alone decides what is in a batch, so a resumed training sees what it would have seen."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from manifests.randomness import generator
from stages.detector.augment import Crop, Picture, crop_of, picture_of, plain_crop, plain_picture
from stages.detector.drawings import Drawings
from stages.detector.look import Noise
from stages.detector.losses import CropBatch, PictureBatch
from stages.epochs import rows_of_step


class Steps(Dataset):
    """Item i is the batch of step i: drawings come in shuffled epochs."""

    def __init__(self, drawings: Drawings, batch: int, seed: int, make: Callable[..., Any], collate: Callable[[list], Any]):
        self.drawings, self.batch, self.seed, self.make, self.collate = drawings, batch, seed, make, collate
        self.noise = Noise(seed)

    def __getitem__(self, step: int) -> Any:
        rng = generator(self.seed, f"step-{step}", "detector")
        rows = rows_of_step(len(self.drawings), self.batch, step, self.seed, "detector")
        return self.collate(
            [self.make(self.drawings, row, other, rng, self.noise) for row, other in zip(rows, rows[1:] + rows[:1], strict=True)]
        )


def crop_steps(drawings: Drawings, batch: int, seed: int) -> Steps:
    """Batches for the pose network."""
    return Steps(drawings, batch, seed, crop_of, collate_crops)


def picture_steps(drawings: Drawings, batch: int, seed: int) -> Steps:
    """Batches for the finder."""
    return Steps(drawings, batch, seed, picture_of, collate_pictures)


def plain_crops(drawings: Drawings, size: int) -> Iterator[CropBatch]:
    """All drawings as they are, for judging the pose network."""
    for first in range(0, len(drawings), size):
        yield collate_crops([plain_crop(drawings, i) for i in range(first, min(first + size, len(drawings)))])


def plain_pictures(drawings: Drawings, size: int) -> Iterator[PictureBatch]:
    """All drawings as they are, for judging the finder."""
    for first in range(0, len(drawings), size):
        yield collate_pictures([plain_picture(drawings, i) for i in range(first, min(first + size, len(drawings)))])


def collate_crops(crops: list[Crop]) -> CropBatch:
    """Crops as tensors."""
    images, joints, visibility = (np.stack([getattr(c, name) for c in crops]) for name in ("image", "joints", "visibility"))
    return CropBatch(torch.from_numpy(images), torch.from_numpy(joints).float(), torch.from_numpy(visibility).long())


def collate_pictures(pictures: list[Picture]) -> PictureBatch:
    """Pictures as tensors."""
    images, boxes, figure = (np.stack([getattr(p, name) for p in pictures]) for name in ("image", "box", "figure"))
    there, styles = torch.tensor([float(p.there) for p in pictures]), torch.tensor([p.style for p in pictures])
    return PictureBatch(torch.from_numpy(images), there, torch.from_numpy(boxes), torch.from_numpy(figure).float(), styles)
