"""The detector's weights on disk: in half precision, with a few words in the header."""

from pathlib import Path

import torch
from torch import Tensor, nn

from manifests.errors import UserError
from stages.tensorfile import read_tensors, write_tensors

POSE, FINDER = "pose.safetensors", "finder.safetensors"
BUNDLED = Path(__file__).parent / "weights"


def write_half(path: Path, net: nn.Module, words: dict) -> None:
    """A network's weights and statistics in half precision; counters of batches are left out."""
    tensors = {name: value.half() for name, value in net.state_dict().items() if value.is_floating_point()}
    write_tensors(path, tensors, words)


def start_from(net: nn.Module, path: Path) -> None:
    """Give a network that will be trained the weights of a file; what the file lacks, or has in another shape, stays as it is."""
    tensors, _ = read_tensors(path)
    own = net.state_dict()
    known = {name: value.float() for name, value in tensors.items() if name in own and own[name].shape == value.shape}
    if not known:
        raise UserError(f"{path}: nothing in it fits this network")
    net.load_state_dict(known, strict=False)


def load_into(net: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Fill a network for use, in single precision; a name or shape that does not fit is a UserError naming it."""
    wanted = {name: value.shape for name, value in net.state_dict().items() if value.is_floating_point()}
    for name in sorted(wanted.keys() | tensors.keys()):
        if name not in tensors or wanted.get(name) != tensors[name].shape or not torch.isfinite(tensors[name]).all():
            raise UserError(f"{path}: {name} is missing, not finite, or of another shape than this network's")
    net.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=False)
    net.eval().requires_grad_(False)
