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
from stages.detector.crops import PADDING
from stages.detector.heatmaps import CELL, decode, spread
from stages.detector.pose_net import PoseNet, PoseSize, normalised
from stages.detector.weights import load_into, write_half
from stages.tensorfile import read_tensors


class Reading(NamedTuple):
    """joints (B, 16, 2) px of the crop; confidence (B, 16); visibility (B, 16, 3) probabilities."""

    joints: Tensor
    confidence: Tensor
    visibility: Tensor


class View(NamedTuple):
    """Non-negative heatmaps (B, K, 64, 48), and what is known of the visibility of each, (B, K, ...)."""

    maps: Tensor
    visibility: Tensor


class Eyes(ABC):
    """Reads crops (B, 256, 192, 3) uint8.

    mirror: map i of a mirrored crop is map mirror[i] of the crop; padding: side of the crops that it knows over that of the box;
    looks_again: whether a closer crop, turned upright, is one that it can read.
    """

    mirror: Sequence[int]
    net: Any
    padding: float
    looks_again: bool
    dtype = torch.float32

    def compute_in(self, dtype: torch.dtype) -> None:
        """Choose the arithmetic of the network; what it says is in single precision."""
        self.dtype = dtype
        if dtype != torch.float32:
            self.net.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def see(self, crops: Tensor, flip: bool) -> View:
        """What each crop shows; with `flip`, the mean of what it and its mirror image show."""
        if not flip:
            return self._mixed(crops)
        (maps, mirrored), (visibility, seen) = (both.chunk(2) for both in self._mixed(torch.cat([crops, crops.flip(2)])))
        order = list(self.mirror)
        return View((maps + mirrored.flip(-1)[:, order]) / 2, (visibility + seen[:, order]) / 2)

    def _mixed(self, crops: Tensor) -> View:
        with torch.autocast(crops.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.maps(crops)

    @abstractmethod
    def maps(self, crops: Tensor) -> View:
        """What the network says of crops."""

    @abstractmethod
    def joints(self, seen: View) -> Reading:
        """The 16 joints of what was seen."""


class OwnEyes(Eyes):
    """The network that was trained on drawings."""

    mirror, padding, looks_again = MIRROR, PADDING, True

    def __init__(self, net: PoseNet):
        self.net = net

    def maps(self, crops: Tensor) -> View:
        """Distributions (B, 16, 64, 48) and probabilities (B, 16, 3)."""
        seen = self.net(normalised(crops))
        return View(spread(seen.logits), seen.visibility.float().softmax(-1))

    def joints(self, seen: View) -> Reading:
        """A joint is as sure as its distribution is narrow."""
        cells, mass = decode(seen.maps)
        return Reading(cells * CELL, mass, seen.visibility)


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
