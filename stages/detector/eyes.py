"""What reads joints out of crops: the interface, and the reader made here. A pretrained one is in coco.py."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from manifests.errors import UserError
from manifests.skeleton import MIRROR
from stages.detector.heatmaps import CELL, decode, spread
from stages.detector.pose_net import PoseNet, PoseSize, normalised
from stages.detector.weights import load_into, write_half
from stages.tensorfile import read_tensors


class Reading(NamedTuple):
    """joints (B, 16, 2) px of the crop; confidence (B, 16); visibility (B, 16, 3) probabilities."""

    joints: Tensor
    confidence: Tensor
    visibility: Tensor


class Eyes(ABC):
    """Reads crops (B, 256, 192, 3) uint8. `mirror`: map i of a mirrored crop is map mirror[i] of the crop."""

    mirror: Sequence[int]
    net: Any
    dtype = torch.float32

    def compute_in(self, dtype: torch.dtype) -> None:
        """Choose the arithmetic of the network; what it says is in single precision."""
        self.dtype = dtype
        if dtype != torch.float32:
            self.net.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def read(self, crops: Tensor, flip: bool) -> Reading:
        """Joints of each crop; with `flip`, the mean of what the crop and its mirror image show."""
        if not flip:
            return self.joints(*self._mixed(crops))
        (maps, mirrored), (visibility, seen) = (both.chunk(2) for both in self._mixed(torch.cat([crops, crops.flip(2)])))
        order = list(self.mirror)
        return self.joints((maps + mirrored.flip(-1)[:, order]) / 2, (visibility + seen[:, order]) / 2)

    def _mixed(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(crops.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.maps(crops)

    @abstractmethod
    def maps(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Non-negative heatmaps (B, K, 64, 48) and what is known of each one's visibility (B, K, ...)."""

    @abstractmethod
    def joints(self, maps: Tensor, visibility: Tensor) -> Reading:
        """The 16 joints of heatmaps (B, K, 64, 48)."""


class OwnEyes(Eyes):
    """The network that was trained on drawings."""

    mirror = MIRROR

    def __init__(self, net: PoseNet):
        self.net = net

    def maps(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Distributions (B, 16, 64, 48) and probabilities (B, 16, 3)."""
        seen = self.net(normalised(crops))
        return spread(seen.logits), seen.visibility.float().softmax(-1)

    def joints(self, maps: Tensor, visibility: Tensor) -> Reading:
        """A joint is as sure as its distribution is narrow."""
        cells, mass = decode(maps)
        return Reading(cells * CELL, mass, visibility)


def write_pose(path: Path, net: PoseNet, words: dict) -> None:
    """The network and its measures in one file."""
    write_half(path, net, {"pose": asdict(net.size), **words})


def read_pose(path: Path) -> PoseNet:
    """The network of a file that write_pose wrote, in single precision, for use."""
    tensors, words = read_tensors(path)
    try:
        size: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in words["pose"].items()}
        net = PoseNet(PoseSize(**size))
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise UserError(f"{path}: its header does not describe a pose network ({e})") from None
    load_into(net, tensors, path)
    return net
