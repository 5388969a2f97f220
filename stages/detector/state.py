"""Everything that training changes: weights, their running average, the optimizer. It goes to a checkpoint and back."""

from pathlib import Path

import torch
from torch import Tensor, nn

from manifests.errors import UserError
from stages.detector.weights import read_tensors, write_tensors

CLIP, WEIGHT_DECAY, EMA = 1.0, 0.05, 0.998


class State:
    """A network in training. `identity` says what it is trained from; a checkpoint of anything else is refused."""

    def __init__(self, net: nn.Module, path: Path, identity: dict):
        self.net, self.path, self.identity = net, path, identity
        self.average = {name: value.detach().clone() for name, value in net.state_dict().items()}
        plain = [p for p in net.parameters() if p.ndim < 2]
        groups: list[dict] = [{"params": [p for p in net.parameters() if p.ndim >= 2]}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98), fused=True)

    def update(self, loss: Tensor, step: int, rate: float) -> None:
        """One step down the loss, and the average after it."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), CLIP)
        self.optimizer.step()
        # A short memory at first, or the average would keep the random start.
        self._follow(1 - min(EMA, (1 + step) / (10 + step)))

    @torch.no_grad()
    def _follow(self, share: float) -> None:
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, share)
            else:
                self.average[name].copy_(value)

    def save(self, step: int, seconds: float) -> None:
        """Write the checkpoint after `step` steps, which took so long."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{slot}": value for slot, value in slots.items()}
        write_tensors(self.path, tensors, {"step": step, "seconds": seconds, "identity": self.identity})

    def restore(self) -> tuple[int, float]:
        """Load the checkpoint, if there is one: the step to go on from, and the seconds spent before."""
        if not self.path.exists():
            return 0, 0.0
        tensors, words = read_tensors(self.path)
        changed = [key for key in sorted(self.identity) if words["identity"].get(key) != self.identity[key]]
        if changed:
            raise UserError(f"{self.path}: made with another {', '.join(changed)}; remove it to start over, or name another folder")
        self.net.load_state_dict(_below("net", tensors))
        for name, value in _below("average", tensors).items():
            self.average[name].copy_(value)
        shapes = [p for group in self.optimizer.param_groups for p in group["params"]]  # the layout in memory counts too
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in _below("optimizer", tensors).items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = value if value.ndim == 0 else torch.empty_like(shapes[int(index)]).copy_(value)
        self.optimizer.load_state_dict({"state": slots, "param_groups": self.optimizer.state_dict()["param_groups"]})
        return words["step"], words["seconds"]


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
