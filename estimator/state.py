"""Everything that training changes: weights, their running average, the optimizer. It goes to a checkpoint and back."""

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from estimator.checkpoint import read_tensors, write_atomically, write_tensors
from estimator.pose2pose import Pose2Pose

MODEL, WORDS, CHECKPOINT = "model.safetensors", "model.json", "checkpoint.safetensors"
CLIP, WEIGHT_DECAY, EMA = 1.0, 0.05, 0.99


class State:
    """A network in training. `identity` says what it is trained from; a checkpoint of anything else is not its own."""

    def __init__(self, net: Pose2Pose, identity: dict):
        self.net, self.identity = net, identity
        self.average = {name: p.detach().clone() for name, p in net.named_parameters()}
        self.optimizer = torch.optim.AdamW(net.parameters(), weight_decay=WEIGHT_DECAY, fused=True)

    def update(self, loss: Tensor, step: int, rate: float) -> None:
        """One step down the loss, and the average after it."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), CLIP)
        self.optimizer.step()
        # A short memory at first, or the average would keep the random start.
        share = 1 - min(EMA, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self.net.parameters()], share)

    def save(self, out: Path, step: int) -> None:
        """Write the checkpoint after `step` steps."""
        tensors = {f"net.{name}": p for name, p in self.net.state_dict().items()}
        tensors |= {f"average.{name}": p for name, p in self.average.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{slot}": value for slot, value in slots.items()}
        write_tensors(out / CHECKPOINT, tensors, {"step": step, "identity": self.identity})

    def restore(self, out: Path) -> tuple[int, list[str]]:
        """Load the checkpoint: (step to go on from, what has changed since). Where anything has, nothing is loaded."""
        if not (out / CHECKPOINT).exists():
            return 0, []
        tensors, words = read_tensors(out / CHECKPOINT)
        if changed := differences(words["identity"], self.identity):
            return 0, changed
        self._load(tensors)
        return words["step"], []

    def publish(self, out: Path) -> None:
        """Write the averaged weights; the words come last and vouch for them."""
        write_tensors(out / MODEL, {**self.net.state_dict(), **self.average}, self.identity)
        words = json.dumps({**self.identity, "sha256": _sha256(out / MODEL)}, indent=1, sort_keys=True)
        write_atomically(out / WORDS, words.encode() + b"\n")
        (out / CHECKPOINT).unlink(missing_ok=True)

    def _load(self, tensors: dict[str, Tensor]) -> None:
        self.net.load_state_dict(_below("net", tensors))
        for name, value in _below("average", tensors).items():
            self.average[name].copy_(value)
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in _below("optimizer", tensors).items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = value
        self.optimizer.load_state_dict({"state": slots, "param_groups": self.optimizer.state_dict()["param_groups"]})


def finished(out: Path) -> dict | None:
    """What the finished model in `out` was trained from; None where there is none, or other weights lie beside its words."""
    try:
        words = json.loads((out / WORDS).read_bytes())
        same = words.pop("sha256") == _sha256(out / MODEL)
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return words if same else None


def differences(old: dict, new: dict) -> list[str]:
    """Dotted names of the values that are not the same in both."""
    names = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            names += [f"{key}.{name}" for name in differences(before, after)]
        elif before != after:
            names.append(key)
    return names


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
