"""Pictures to tensors and back, and sheets of them."""

import numpy as np
import torch
from torch import Tensor


def to_tensor(pictures: list[np.ndarray]) -> Tensor:
    """Pictures (H, W, 3) uint8 as (B, 3, H, W) float32 in -1..1."""
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)


def to_pictures(tensor: Tensor) -> list[np.ndarray]:
    """Tensors (B, 3, H, W) in -1..1 as pictures (H, W, 3) uint8."""
    values = (tensor.float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
    return list(values.permute(0, 2, 3, 1).contiguous().cpu().numpy())


def sheet(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Rows of pictures of one size as one picture."""
    return np.concatenate([np.concatenate(row, 1) for row in rows], 0)
