"""Weights on disk: safetensors in half precision, with a few words in the header. Written whole or not at all."""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from manifests.errors import UserError

POSE, FINDER = "pose.safetensors", "finder.safetensors"
BUNDLED = Path(__file__).parent / "weights"
_WORDS = "skep"


def write_atomically(path: Path, data: bytes) -> None:
    """The file appears under its name complete and on disk, or the old one stays."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with beside.open("wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(beside, path)


def write_tensors(path: Path, tensors: dict[str, Tensor], words: dict) -> None:
    """Tensors by name, and `words` as JSON in the header."""
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(flat, {_WORDS: json.dumps(words, sort_keys=True)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """What write_tensors wrote. A file that is missing or damaged is a UserError."""
    try:
        with safe_open(path, framework="pt") as f:
            return {name: f.get_tensor(name) for name in f.keys()}, json.loads((f.metadata() or {})[_WORDS])  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected the detector's weights, which `make train-detector` writes") from None
    except (SafetensorError, OSError, KeyError, ValueError) as e:
        raise UserError(f"{path}: cannot read these weights ({e})") from None


def write_half(path: Path, net: nn.Module, words: dict) -> None:
    """A network's weights and statistics in half precision; counters of batches are left out."""
    tensors = {name: value.half() for name, value in net.state_dict().items() if value.is_floating_point()}
    write_tensors(path, tensors, words)


def load_into(net: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Fill a network for use, in single precision; a name or shape that does not fit is a UserError naming it."""
    wanted = {name: value.shape for name, value in net.state_dict().items() if value.is_floating_point()}
    for name in sorted(wanted.keys() | tensors.keys()):
        if name not in tensors or wanted.get(name) != tensors[name].shape or not torch.isfinite(tensors[name]).all():
            raise UserError(f"{path}: {name} is missing, not finite, or of another shape than this network's")
    net.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=False)
    net.eval().requires_grad_(False)
