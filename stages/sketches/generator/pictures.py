"""Pictures to tensors and back, and sheets of them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

_AT_ONCE = 8


def to_tensor(pictures: list[np.ndarray]) -> Tensor:
    """Pictures (H, W, 3) uint8 as (B, 3, H, W) float32 in -1..1."""
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)


def to_pictures(tensor: Tensor) -> list[np.ndarray]:
    """Tensors (B, 3, H, W) in -1..1 as pictures (H, W, 3) uint8."""
    values = (tensor.float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
    return list(values.permute(0, 2, 3, 1).contiguous().cpu().numpy())


@torch.no_grad()
def copies_of(pictures: list[np.ndarray], vae: Any) -> list[np.ndarray]:
    """What is left of pictures that went through an autoencoder."""
    out: list[np.ndarray] = []
    for first in range(0, len(pictures), _AT_ONCE):
        batch = to_tensor(pictures[first : first + _AT_ONCE]).to(vae.device, vae.dtype)
        out += to_pictures(vae.decode(vae.encode(batch).latent_dist.mean).sample)
    return out


def sheet(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Rows of pictures of one size as one picture."""
    return np.concatenate([np.concatenate(row, 1) for row in rows], 0)
