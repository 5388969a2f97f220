"""The pose network: a few convolutions, ViTPose of `transformers` on what they see, and an hourglass that refines its heatmaps."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

from manifests.skeleton import JOINTS
from stages.detector.crops import HEIGHT, WIDTH
from stages.detector.heatmaps import COLUMNS, ROWS, spread
from stages.detector.refine import Refine, convolution

_GRID = ROWS // 4, COLUMNS // 4  # of the tokens
KINDS = 3  # of visibility: outside, occluded, visible


@dataclass(frozen=True)
class PoseSize:
    """Channels of the stem at strides 2, 4 and 8; width, depth and heads of the transformer; channels of the hourglass, 4 to 16."""

    stem: tuple[int, int, int] = (16, 48, 96)
    hidden: int = 192
    layers: int = 8
    heads: int = 3
    refine: tuple[int, int, int] = (64, 128, 96)


class Seen(NamedTuple):
    """logits (B, 16, 64, 48) of where each joint is; visibility (B, 16, 3) logits of outside, occluded, visible; features (B, 16, C)
    of what lies where each joint is thought to be."""

    logits: Tensor
    visibility: Tensor
    features: Tensor


class PoseNet(nn.Module):
    """Crops (B, 3, 256, 192), normalised, to what is seen in them."""

    def __init__(self, size: PoseSize = PoseSize()):
        super().__init__()
        self.size = size
        fine, middle, coarse = size.stem
        self.fine = nn.Sequential(convolution(3, fine, 2), convolution(fine, middle, 2))
        self.coarse = nn.Sequential(convolution(middle, coarse, 2), convolution(coarse, coarse, 1))
        self.vit = _vitpose(size)
        self.refine = Refine((middle, coarse, size.hidden), size.refine)
        self.visibility = _Visibility(size.hidden)

    def forward(self, crops: Tensor) -> Seen:
        """Both answers come from one pass; the place of a joint decides which tokens tell whether it is seen."""
        fine = self.fine(crops)
        coarse = self.coarse(fine)
        out = self.vit(coarse, output_hidden_states=True)
        tokens = out.hidden_states[-1]
        logits = self.refine(fine, coarse, tokens.mT.unflatten(-1, _GRID), out.heatmaps)
        return Seen(logits, *self.visibility(tokens, logits))


class _Visibility(nn.Module):
    """Pools the tokens where each joint is thought to be; the heatmaps learn nothing from it."""

    def __init__(self, hidden: int):
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.joint = nn.Parameter(torch.zeros(len(JOINTS), hidden))
        self.head = nn.Sequential(nn.Linear(hidden, hidden // 2), nn.GELU(), nn.Linear(hidden // 2, KINDS))

    def forward(self, tokens: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B, 192, C), logits (B, 16, 64, 48) to (B, 16, 3) and what was pooled, (B, 16, C)."""
        share = (16 * nn.functional.avg_pool2d(spread(logits.detach()), 4)).flatten(2)  # ONNX has no sums of windows
        pooled = share @ self.norm(tokens)
        return self.head(pooled + self.joint), pooled


def _vitpose(size: PoseSize) -> VitPoseForPoseEstimation:
    """ViTPose on 32x24 features in patches of 2: 16x12 tokens, as it has of 256x192 pixels in patches of 16."""
    backbone = VitPoseBackboneConfig(
        image_size=[HEIGHT // 8, WIDTH // 8], patch_size=[2, 2], num_channels=size.stem[-1], hidden_size=size.hidden,
        num_hidden_layers=size.layers, num_attention_heads=size.heads, mlp_ratio=4, out_indices=[size.layers],  # type: ignore[call-arg]
    )  # fmt: skip
    config = VitPoseConfig(backbone_config=backbone, use_simple_decoder=True, scale_factor=2, num_labels=len(JOINTS))  # type: ignore[call-arg]
    net = VitPoseForPoseEstimation(config)
    net.backbone.set_attn_implementation("eager")  # of 192 tokens: faster to train on a CPU than the fused one
    # The class pads by 2, made for patches of 16; here that would add a row and a column of tokens.
    net.backbone.embeddings.patch_embeddings.projection.padding = (0, 0)
    return net


def normalised(pictures: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) to float (B, 3, H, W) of about unit spread."""
    return scaled(pictures.permute(0, 3, 1, 2).float() / 255)


def scaled(pictures: Tensor) -> Tensor:
    """Pictures in [0, 1] as the detector's networks want them."""
    return (pictures - 0.5) / 0.25


@torch.no_grad()
def initialise(net: nn.Module, seed: int) -> None:
    """Weights from the seed alone: gaussians after each layer's fan-in, tokens that know where they are."""
    generator = torch.Generator().manual_seed(seed)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Conv1d, nn.Linear)):
            spread_of = math.sqrt(1 / layer.weight[0].numel())
            layer.weight.normal_(0, spread_of, generator=generator)
            if layer.bias is not None:
                layer.bias.zero_()
    if isinstance(net, PoseNet):
        places = net.vit.backbone.embeddings.position_embeddings
        places.zero_()
        places[0, 1:] = _waves(*_GRID, places.shape[-1])


def _waves(rows: int, columns: int, width: int) -> Tensor:
    """Sines and cosines (rows * columns, width) of the row and the column, amplitude 0.5."""
    rate = 100.0 ** -torch.linspace(0, 1, width // 4)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    phase = torch.cat([y.reshape(-1, 1) * rate, x.reshape(-1, 1) * rate], 1)
    return 0.5 * torch.cat([phase.sin(), phase.cos()], 1)
