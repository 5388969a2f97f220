"""Latents of mean 0 and deviation 1 in every channel, by folding the change into the 1x1 convolutions at the autoencoder's waist."""

from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def whiten(vae: Any, statistics: tuple[Tensor, Tensor]) -> None:
    """The same AutoencoderKL with latents (z - mean) / deviation, given those (C,) of its latents; it decodes to the same pictures."""
    mean, deviation = (value.to(vae.device, torch.float32) for value in statistics)
    channels = len(mean)
    quant, post = vae.quant_conv, vae.post_quant_conv
    quant.weight[:channels] /= deviation.view(-1, 1, 1, 1)
    quant.bias[:channels] = (quant.bias[:channels] - mean) / deviation
    quant.bias[channels:] -= 2 * deviation.log()
    post.bias += (post.weight[..., 0, 0] * mean).sum(1)
    post.weight *= deviation.view(1, -1, 1, 1)
