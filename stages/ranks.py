"""Ranks of one training, as `torchrun` or Ray Train starts them: who this process is, and what all do together."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.distributed.constants import default_pg_timeout
from torch.nn.parallel import DistributedDataParallel

PATIENCE = 8 * default_pg_timeout  # that ranks wait for the slowest, and for the first, which publishes alone: hours


class Ranks(NamedTuple):
    """This process among `size`."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def wrap(self, net: nn.Module) -> nn.Module:
        """The network, its gradients averaged over all ranks."""
        if self.size == 1:
            return net
        # Not every head has a loss in every recipe.
        return DistributedDataParallel(net, find_unused_parameters=True)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over all ranks, on all of them."""
        if self.size > 1:
            distributed.all_reduce(value)
        return value / self.size

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.size > 1:
            distributed.barrier()


ALONE = Ranks()


def default_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def joined() -> Iterator[Ranks]:
    """The ranks that the environment tells of, in touch while this lasts; one where it tells of none."""
    if distributed.is_initialized():
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
        return
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    if default_device().type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if default_device().type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
