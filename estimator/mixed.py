"""Arithmetic of lower precision for the large parts of a model, while its weights and what it says stay in float32."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


class Mixed(nn.Module):
    """A part whose arithmetic `set_dtype` chooses."""

    dtype = torch.float32

    def mixed(self, like: Tensor) -> AbstractContextManager:
        """While entered, the chosen arithmetic, on the device of a tensor."""
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(like.device.type, self.dtype)


def set_dtype(net: nn.Module, dtype: torch.dtype) -> None:
    """Choose the arithmetic of all parts of a model that leave the choice."""
    for part in net.modules():
        if isinstance(part, Mixed):
            part.dtype = dtype


def frozen(net: Any) -> Any:
    """A network that is used and not trained, in the layout that convolutions are fastest in."""
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
