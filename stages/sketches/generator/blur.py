"""How an autoencoder starts: as a blur of the picture, in its own colours. All that it has to learn is what the blur leaves out.

Started at random, ours drew fine lines after 30,000 pictures and still no colour: of what reaches the latent, colour is the least.
"""

from typing import Any

import torch
from torch import Tensor, nn

# From RGB to lightness and two colours that count as much, though they vary less.
_COLOURS = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [2.0, 0.0, -2.0], [1.0, -2.0, 1.0]])
_BOTH = torch.cat([torch.eye(3), -torch.eye(3)])  # each value and its opposite, as silu(x) - silu(-x) = x
_QUIET, _NOISE = 0.1, -6.0  # share left of other weights at the ends; logarithm of the latent's variance


@torch.no_grad()
def start_as_blur(vae: Any) -> None:
    """Set an AutoencoderKL's weights so that three channels of the latent are the picture's mean colours, and are drawn as such."""
    for layer in vae.modules():
        _pass_on(layer)
    encoder, decoder = vae.encoder, vae.decoder
    _set(encoder.conv_in, slice(0, 6), _BOTH @ _COLOURS)
    _set(decoder.conv_in, slice(0, 6), _BOTH)
    for half, colours in ((encoder, torch.eye(3)), (decoder, torch.linalg.inv(_COLOURS))):
        half.conv_out.weight[:3] *= _QUIET
        half.conv_out.weight[:3, :6, 1, 1] = colours @ _BOTH.T
    for layer in (vae.quant_conv, vae.post_quant_conv):
        _set(layer, slice(0, 3), torch.eye(3))
    variance = slice(vae.config.latent_channels, None)
    vae.quant_conv.weight[variance] *= _QUIET
    vae.quant_conv.bias[variance] = _NOISE


def _pass_on(layer: Any) -> None:
    """Let what comes in go out as it is, averaged where the picture halves; the branches of residual blocks say nothing yet."""
    kind = type(layer).__name__
    if kind == "ResnetBlock2D":
        nn.init.zeros_(layer.conv2.weight)
        nn.init.zeros_(layer.conv2.bias)
        if layer.conv_shortcut is not None:
            _copy(layer.conv_shortcut, torch.ones(1, 1))
    elif kind == "Downsample2D":
        _copy(layer.conv, torch.tensor([[0.25, 0.25, 0.0], [0.25, 0.25, 0.0], [0.0, 0.0, 0.0]]))
    elif kind == "Upsample2D":
        _copy(layer.conv, torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))


def _copy(conv: Any, kernel: Tensor) -> None:
    """Every channel that has a place in the output goes there, through this kernel."""
    count = min(conv.in_channels, conv.out_channels)
    conv.weight[:count], conv.bias[:count] = 0, 0
    conv.weight[range(count), range(count)] = kernel


def _set(conv: Any, rows: slice, matrix: Tensor) -> None:
    """These rows of the output are a matrix times the first channels of the input."""
    middle = conv.kernel_size[0] // 2
    conv.weight[rows], conv.bias[rows] = 0, 0
    conv.weight[rows, : matrix.shape[1], middle, middle] = matrix
