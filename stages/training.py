"""Everything that a training changes: weights, their running average, the optimizer. It goes to one checkpoint and back."""

import fcntl
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from manifests.errors import UserError
from stages.tensorfile import below, read_tensors, write_tensors

_BETAS = (0.9, 0.98)
_AHEAD = 6  # batches that are made before they are asked for; two of each worker at least


class State:
    """A network in training, already on its device; several are an nn.ModuleDict. clip: the gradient's greatest norm, 0 for any.

    `identity` says what it is trained from, in words that JSON holds.
    """

    def __init__(self, net: nn.Module, path: Path, identity: dict, ema: float, clip: float = 1.0, weight_decay: float = 0.05):
        self.net, self.path, self.identity, self.ema, self.clip = net, path, identity, ema, clip
        self.average = {name: value.detach().clone() for name, value in net.state_dict().items()}
        plain = [p for p in net.parameters() if p.ndim < 2]
        groups: list[dict] = [{"params": [p for p in net.parameters() if p.ndim >= 2]}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=weight_decay, betas=_BETAS, fused=True)

    def update(self, loss: Tensor, step: int, rate: float) -> Tensor:
        """One step down the loss, and the average after it; returns the norm of the gradient."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.clip or float("inf"))
        self.optimizer.step()
        # A short memory at first, or the average would keep the random start.
        self._follow(1 - min(self.ema, (1 + step) / (10 + step)))
        return norm

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """While entered, the network has the averaged weights and is in use, not in training."""
        self._swap()
        self.net.eval()
        try:
            yield
        finally:
            self._swap()
            self.net.train()

    def save(self, step: int, **words: float) -> None:
        """Write the checkpoint after `step` steps, with a few words of the caller's."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{slot}": value for slot, value in slots.items()}
        write_tensors(self.path, tensors, {"step": step, **words, "identity": self.identity})

    def restore(self) -> tuple[dict, list[str]]:
        """Load the checkpoint: (its words, what has changed since). Nothing is loaded where there is none or anything has changed."""
        if not self.path.exists():
            return {}, []
        tensors, words = read_tensors(self.path)
        if changed := differences(words["identity"], self.identity):
            return {}, changed
        self.net.load_state_dict(below("net", tensors))
        for name, value in below("average", tensors).items():
            self.average[name].copy_(value)
        self._load_optimizer(tensors)
        return words, []

    def resume(self) -> dict:
        """The words of the checkpoint, loaded; a checkpoint of anything else is refused."""
        words, changed = self.restore()
        if changed:
            raise UserError(f"{self.path}: made with another {', '.join(changed)}; remove it to start over, or name another folder")
        return words

    def _load_optimizer(self, tensors: dict[str, Tensor]) -> None:
        shapes = [p for group in self.optimizer.param_groups for p in group["params"]]  # the layout in memory counts too
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in below("optimizer", tensors).items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = value if value.ndim == 0 else torch.empty_like(shapes[int(index)]).copy_(value)
        self.optimizer.load_state_dict({"state": slots, "param_groups": self.optimizer.state_dict()["param_groups"]})

    @torch.no_grad()
    def _swap(self) -> None:
        for name, value in self.net.state_dict().items():
            kept = value.clone()
            value.copy_(self.average[name])
            self.average[name] = kept

    @torch.no_grad()
    def _follow(self, share: float) -> None:
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, share)
            else:
                self.average[name].copy_(value)


def stream(batches: Dataset, first: int, last: int, workers: int) -> Iterator[Any]:
    """Batches first to last - 1 of a dataset whose items are the batches of steps, read ahead by `workers` processes; 0: by this one."""
    ahead: dict[str, Any] = {}
    if workers:
        cv2.setNumThreads(1)  # a worker that is forked beside threads of OpenCV would wait for them for ever
        ahead = {"multiprocessing_context": "fork", "prefetch_factor": max(2, _AHEAD // workers), "worker_init_fn": _settle}
        ahead["pin_memory"] = torch.cuda.is_available()
    return iter(DataLoader(batches, batch_size=None, sampler=range(first, last), num_workers=workers, **ahead))  # type: ignore[arg-type]


def _settle(_: int) -> None:
    """A worker has one thread. Signals to all of the group are for the training alone; when that leaves, so does its worker."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


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


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """One training at a time in a folder, which is made where there is none; the second is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another training runs here; wait for it, or name another folder") from None
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM leaves as Ctrl-C does, unless the caller has a handler of its own."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
