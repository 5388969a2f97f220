"""The finished model in its folder: weights, and words that vouch for them."""

import hashlib
import json
from itertools import count
from pathlib import Path

from torch import Tensor

from stages.tensorfile import write_tensors
from stages.wholefile import write_json

MODEL, WORDS = "model.safetensors", "model.json"
BUNDLED = Path(__file__).parent / "weights"  # the folder of the model that comes with SKEP


def publish(out: Path, weights: dict[str, Tensor], identity: dict, places: dict[str, str]) -> None:
    """Write a model, and where the parts lay that it was trained on; the words come last and vouch for it."""
    write_tensors(out / MODEL, weights, identity | {"places": places})
    write_json(out / WORDS, {**identity, "sha256": _sha256(out / MODEL)}, in_order=False)


def keep(out: Path, names: tuple[str, ...]) -> Path:
    """What another training left in `out` and this one would replace: moved into a folder of its own, which is returned."""
    folder = next(f for number in count(1) if not (f := out / f"earlier-{number}").exists())
    folder.mkdir()
    for name in names:
        (out / name).rename(folder / name)
    return folder


def finished(out: Path) -> dict | None:
    """What the finished model in `out` was trained from; None where there is none, or other weights lie beside its words."""
    try:
        words = json.loads((out / WORDS).read_bytes())
        same = words.pop("sha256") == _sha256(out / MODEL)
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return words if same else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
