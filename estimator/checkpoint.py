"""Tensors and a few words in one safetensors file, written whole or not at all. Nothing is pickled."""

import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from manifests.errors import UserError

WORDS = "skep"


def write_atomically(path: Path, data: bytes) -> None:
    """The file appears under its name complete and on disk, or the old one stays."""
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(beside, path)


def write_tensors(path: Path, tensors: dict[str, Tensor], words: dict) -> None:
    """Tensors by name, and `words` as JSON in the header: one file, so step and weights cannot disagree."""
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(flat, {WORDS: json.dumps(words, sort_keys=True)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """What write_tensors wrote. A file that is missing or damaged is a UserError."""
    try:
        with safe_open(path, framework="pt") as f:
            return {name: f.get_tensor(name) for name in f.keys()}, json.loads((f.metadata() or {})[WORDS])  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; train the estimator first") from None
    except (SafetensorError, OSError, KeyError, ValueError) as e:
        raise UserError(f"{path}: damaged ({e}); delete it and train again") from None
