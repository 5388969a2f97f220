"""Samples stacked for a network."""

from typing import NamedTuple

import torch
from torch import Tensor

from estimator.sample import Sample


class Batch(NamedTuple):
    """images (B, 3, S, S) uint8, or (B, 0, S, S) where nobody looks at them; the rest as in Sample with B in front."""

    images: Tensor
    joints2d: Tensor
    visibility: Tensor
    joints3d: Tensor
    joints3d_drawn: Tensor
    pose: Tensor
    betas: Tensor
    bone_scales: Tensor
    depth_step: Tensor
    foreshortening: Tensor
    limb_order: Tensor
    contacts: Tensor

    @property
    def pixels(self) -> Tensor:
        """The images as networks take them, float32 in [0, 1]: a batch travels in a quarter of its size."""
        return self.images.float().div_(255)

    def to(self, device: torch.device, non_blocking: bool = True) -> "Batch":
        """The same on another device."""
        return Batch(*(column.to(device, non_blocking=non_blocking) for column in self))


def collate(samples: list[Sample]) -> Batch:
    """One batch of the samples."""
    columns = {name: torch.stack([torch.from_numpy(getattr(s, name)) for s in samples]) for name in Batch._fields[1:]}
    images = torch.stack([torch.from_numpy(s.image) for s in samples])
    return Batch(images.permute(0, 3, 1, 2).contiguous(), **columns)
