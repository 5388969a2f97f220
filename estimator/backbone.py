"""A compact convolutional backbone, trained from scratch."""

from torch import Tensor, nn
from torch.nn import functional as F

from estimator.mixed import Mixed


class Backbone(Mixed):
    """Pictures (B, 3, S, S) to local features (B, 2 width, S/8, S/8) and wide ones (B, 4 width, S/16, S/16).

    The local map also holds the wide one, scaled up: a wrist is found by its strokes, and told left from right by the figure.
    """

    def __init__(self, width: int, groups: int = 1):
        super().__init__()
        self.local_channels, self.wide_channels = 2 * width, 4 * width
        self.fine = nn.Sequential(
            _down(3, width // 2, groups), _down(width // 2, width, groups), _Residual(width, groups),
            _down(width, 2 * width, groups), _Residual(2 * width, groups), _Residual(2 * width, groups),
        )  # fmt: skip
        self.wide = nn.Sequential(_down(2 * width, 4 * width, groups), _Residual(4 * width, groups), _Residual(4 * width, groups))
        self.lift = nn.Conv2d(4 * width, 2 * width, 1)
        self.join = _Residual(2 * width, groups)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        with self.mixed(images):
            local, wide = self._maps(images)
        return local.float(), wide.float()

    def _maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(images * 2 - 1)
        wide = self.wide(fine)
        above = F.interpolate(self.lift(wide), scale_factor=2, mode="bilinear", align_corners=False)
        return self.join(fine + above), wide


class _Residual(nn.Module):
    """Two convolutions beside a short cut. Groups, not batches, are normalised: batches are small."""

    def __init__(self, channels: int, groups: int):
        super().__init__()
        first, second = (nn.Sequential(nn.GroupNorm(groups, channels), nn.SiLU(), _conv(channels)) for _ in range(2))
        self.body = nn.Sequential(*first, *second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _conv(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1)


def _down(channels: int, out: int, groups: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.GroupNorm(groups, out), nn.SiLU())
