"""The trainings of the detector's two networks: on what, how long, how they are judged, where their weights go."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from stages.detector.drawings import Drawings
from stages.detector.eyes import write_pose
from stages.detector.judge import judge_finder, judge_pose
from stages.detector.loader import Steps, crop_steps, picture_steps
from stages.detector.losses import finder_losses, pose_losses
from stages.detector.weights import FINDER, POSE, write_half
from stages.loop import Course, Job, falling
from stages.wholefile import write_json

VERSIONS = {"finder": 3, "pose": 4}  # change one when the same drawings would train to other weights
_EMA, _WARM, _FLOOR = 0.998, 0.04, 0.01  # share of the training in which the rate rises; share of it that is left at the end


@dataclass(frozen=True)
class Amount:
    """Drawings shown in all, drawings a step, and the highest learning rate."""

    samples: int
    batch: int
    rate: float


PROFILES = {
    "cpu": {"finder": Amount(150_000, 50, 2e-3), "pose": Amount(250_000, 32, 1e-3)},
    "gpu": {"finder": Amount(600_000, 128, 2e-3), "pose": Amount(4_000_000, 128, 1e-3)},
}


@dataclass(frozen=True)
class Setting:
    """Where the weights go, the drawings to learn from and those to judge by, and what the computer can do."""

    out: Path
    train: Drawings
    held: Drawings
    seed: int = 1
    device: str = "cpu"
    half: bool = True  # bfloat16 where it is safe


class Kind(NamedTuple):
    """What differs between the two networks: losses of a batch, batches, judge, and how the weights are written into which file."""

    losses: Callable[[Any, Any], dict[str, Tensor]]
    steps: Callable[[Drawings, int, int], Steps]
    judge: Callable[[Any, Drawings, str], dict[str, float]]
    write: Callable[[Path, Any, dict], None]
    file: str


KINDS = {
    "finder": Kind(finder_losses, picture_steps, judge_finder, write_half, FINDER),
    "pose": Kind(pose_losses, crop_steps, judge_pose, write_pose, POSE),
}


class NetJob(Job):
    """Trains the network of a kind and publishes it as a file of `setting.out`, with what was measured."""

    def __init__(self, name: str, net: nn.Module, setting: Setting, amount: Amount, origin: dict):
        self.name, self.kind, self.setting, self.amount = name, KINDS[name], setting, amount
        self.device, self.dtype = torch.device(setting.device), torch.bfloat16 if setting.half else torch.float32
        count = -(-amount.samples // amount.batch)
        self.course = Course(count, amount.batch, _EMA, checkpoint_every=50, show_every=300)
        self._net: Any = net.to(self.device)
        self.identity = {"version": VERSIONS[name], "seed": setting.seed, "amount": asdict(amount), **origin}

    def net(self) -> nn.Module:
        """The network."""
        return self._net

    def batches(self) -> Dataset:
        """Every drawing comes once before any comes again."""
        return self.kind.steps(self.setting.train, self.amount.batch, self.setting.seed)

    def losses(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Those of the network."""
        return self.kind.losses(self._net, batch)

    def rate(self, step: int) -> float:
        """Down to a hundredth."""
        return self.amount.rate * falling(step, self.course.steps, round(_WARM * self.course.steps), _FLOOR)

    def judged(self) -> dict[str, float]:
        """What the network makes of held-out drawings."""
        return self.kind.judge(self._net, self.setting.held, self.setting.device)

    def show(self, folder: Path, step: int, board: SummaryWriter) -> None:
        """A point in the TensorBoard file for each figure."""
        for name, value in self.judged().items():
            board.add_scalar(f"held/{name}", value, step)
        board.flush()

    def publish(self, folder: Path) -> dict[str, float]:
        """The weights, in half precision."""
        figures = {name: round(value, 4) for name, value in self.judged().items()}
        self.kind.write(self.setting.out / self.kind.file, self._net, {"trained": self.identity, "held_out": figures})
        return figures

    def conclude(self, folder: Path, told: dict) -> None:
        """The figures go into the card too."""
        note(self.setting.out, self.name, {"trained": self.identity, "seconds": told["seconds"], "held_out": told["measured"]})
        super().conclude(folder, told)


def note(out: Path, name: str, words: dict) -> None:
    """Put what was trained and measured into card.json."""
    path = out / "card.json"
    card = json.loads(path.read_bytes()) if path.exists() else {}
    write_json(path, card | {name: words}, in_order=False)
