"""Everything that training changes: weights, their running average, the optimizer. It goes to one checkpoint and back."""

from pathlib import Path

import torch
from torch import Tensor, nn

from manifests.errors import UserError
from stages.sketches.generator.config import Stretch
from stages.tensorfile import read_tensors, write_tensors

CHECKPOINT = "checkpoint.safetensors"
_BETAS = (0.9, 0.98)


class State:
    """Networks in training, by name. `identity` says what they are trained from; a checkpoint of anything else is refused."""

    def __init__(self, nets: dict[str, nn.Module], config: Stretch, folder: Path, identity: dict):
        self.nets, self.config, self.path, self.identity = nn.ModuleDict(nets), config, folder / CHECKPOINT, identity
        self.average = {name: p.detach().clone() for name, p in self.nets.named_parameters()}
        weights = [p for p in self.nets.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in weights if p.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=_BETAS, fused=True)

    def update(self, loss: Tensor, step: int, rate: float) -> float:
        """One step down the loss, and the average after it; returns the norm of the gradient."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.nets.parameters(), self.config.clip or float("inf"))
        self.optimizer.step()
        # A short memory at first, or the average would keep the random start.
        share = 1 - min(self.config.ema, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self.nets.parameters()], share)
        return float(norm)

    def averaged(self) -> "Averaged":
        """While entered, the networks have the averaged weights."""
        return Averaged(self)

    def save(self, step: int) -> None:
        """Write the checkpoint after `step` steps."""
        tensors = {f"nets.{name}": value for name, value in self.nets.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{slot}": value for slot, value in slots.items()}
        write_tensors(self.path, tensors, {"step": step, "identity": self.identity})

    def restore(self) -> int:
        """Load the checkpoint, if there is one, and return the step to go on from."""
        if not self.path.exists():
            return 0
        tensors, words = read_tensors(self.path)
        changed = differences(words["identity"], self.identity)
        if changed:
            raise UserError(f"{self.path}: made with another {', '.join(changed)}; remove it to start over, or name another folder")
        self.nets.load_state_dict(_below("nets", tensors))
        for name, value in _below("average", tensors).items():
            self.average[name].copy_(value)
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in _below("optimizer", tensors).items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = value
        self.optimizer.load_state_dict({"state": slots, "param_groups": self.optimizer.state_dict()["param_groups"]})
        return int(words["step"])


class Averaged:
    """Puts the averaged weights into the networks, and back."""

    def __init__(self, state: State):
        self.state = state

    def __enter__(self) -> nn.ModuleDict:
        self._swap()
        return self.state.nets.eval()

    def __exit__(self, *_) -> None:
        self._swap()
        self.state.nets.train()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, p in self.state.nets.named_parameters():
            kept = p.detach().clone()
            p.copy_(self.state.average[name])
            self.state.average[name] = kept


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
