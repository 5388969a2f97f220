"""Tensors and a few words in one safetensors file. Nothing is pickled."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from manifests.errors import UserError
from manifests.files import files_below
from stages.wholefile import write_atomically

_WORDS = "skep"


def write_tensors(path: Path, tensors: dict[str, Tensor], words: dict, shared: bool = False) -> None:
    """Tensors by name, and `words` as JSON in the header: one file, so that they cannot disagree. shared: as write_atomically has it."""
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(flat, {_WORDS: json.dumps(words, sort_keys=True)}), shared)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """What write_tensors wrote. A file that is missing or damaged is a UserError."""
    with open_tensors(path) as f:
        return {name: f.get_tensor(name) for name in f.keys()}, words_of(f, path)  # noqa: SIM118


def open_tensors(path: Path) -> safe_open:
    """The file, to read parts of it."""
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (SafetensorError, OSError) as e:
        raise UserError(f"{path}: damaged ({e}); delete it and make it again") from None


def words_of(file: safe_open, path: Path) -> dict:
    """The words in the header of an open file."""
    try:
        return json.loads((file.metadata() or {})[_WORDS])
    except (KeyError, ValueError):
        raise UserError(f"{path}: not a file of skep; delete it and make it again") from None


def words_in(path: Path) -> dict | None:
    """The words in the header of a file; None where it is missing, damaged or not ours."""
    try:
        with open_tensors(path) as f:
            return words_of(f, path)
    except UserError:
        return None


def below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with `prefix.`, by the rest of their names."""
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}


def packed(parts: list[bytes]) -> tuple[Tensor, Tensor]:
    """Byte strings end to end (N,) uint8, and where each ends."""
    ends = torch.tensor([len(part) for part in parts], dtype=torch.int64).cumsum(0)
    return torch.frombuffer(bytearray(b"".join(parts) or b"\0"), dtype=torch.uint8), ends


def weights_digest(path: Path) -> str:
    """sha256 over the weights of a file, or of all safetensors in a folder and below it."""
    digest = hashlib.sha256()
    for file in [p for p in files_below(path) if p.suffix == ".safetensors"] if path.is_dir() else [path]:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
