"""Features at places of the picture."""

from torch import Tensor
from torch.nn import functional as F


def pool_at(features: Tensor, places: Tensor) -> Tensor:
    """Positional pose-guided pooling: features (B, C, H, W) at places (B, J, 2) in [0, 1] across the picture -> (B, J, C)."""
    # align_corners=False puts -1 and 1 on the picture's edges, the scale that our coordinates have.
    picked = F.grid_sample(features, places[:, :, None] * 2 - 1, padding_mode="border", align_corners=False)
    return picked[..., 0].mT
