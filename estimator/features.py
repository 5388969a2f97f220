"""What Sketch2PoseNet sees: one pass of the frozen generator over the sketch, its features and where its attention lay.

In the manner of VPD and DPMesh: the sketch's latent is given to the U-Net as if it were nearly clean; the ControlNet is told of
the joints, by their bones as in drawing, and by a learned join of latent and heatmaps; tokens of the joints stand in for words, so
that the cross-attention shows where the generator thinks each joint is drawn.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn import functional as F

from estimator.guidance import Guidance
from estimator.head import zeroed
from estimator.mixed import Mixed, frozen
from manifests.errors import UserError
from manifests.skeleton import JOINTS
from stages.sketches.generator.conditions import condition, pose_map, shares
from stages.sketches.generator.folder import open_pipeline
from stages.sketches.generator.source import Source

_TIME = 1  # of 1000: hardly any noise
_TOKEN = 64  # width of the hidden layer that makes tokens of joints
GROUPS = 8


class Generator:
    """The frozen networks of a generator's folder. Not a module: its weights are not saved with the estimator's."""

    def __init__(self, folder: str | Path, device: str = "cpu"):
        pipeline = open_pipeline(Source(str(folder)), None, torch.float32, device)
        self.vae, self.unet, self.controlnet = (frozen(net) for net in (pipeline.vae, pipeline.unet, pipeline.controlnet))
        if device == "cpu":  # whose fused attention is slow on its way back
            self.unet.set_attn_processor(AttnProcessor())
            self.controlnet.set_attn_processor(AttnProcessor())
        self.stride = 2 ** (len(self.vae.config.block_out_channels) - 1)
        if not all(hasattr(block, "attentions") for block in self.unet.up_blocks):
            raise UserError(
                f"estimator.generator: {folder}: some levels of its U-Net have no attention; expected one of `make train-generator`"
            )
        self.recorders = [_record(block) for block in self.unet.up_blocks]

    @property
    def levels(self) -> list[int]:
        """Channels of what each level of the U-Net's way up gives out."""
        return list(reversed(self.unet.config.block_out_channels))

    @torch.no_grad()
    def latent(self, images: Tensor) -> Tensor:
        """Latents (B, C, S / stride, S / stride) of pictures (B, 3, S, S) in [0, 1]."""
        return self.vae.encode(images * 2 - 1).latent_dist.mean * self.vae.config.scaling_factor

    @torch.no_grad()
    def bones(self, joints: Tensor, size: int) -> Tensor:
        """The ControlNet's own embedding of bones between joints (B, 16, 2) in [0, 1], drawn in no order of depth."""
        maps = [condition(pose_map(j * size, np.zeros(len(JOINTS)), size), None, 3) for j in joints.cpu().numpy()]
        drawn, channels = shares(torch.from_numpy(np.stack(maps)).to(joints.device)), self.controlnet.config.conditioning_channels
        return self.controlnet.controlnet_cond_embedding(F.pad(drawn, (0, 0, 0, 0, 0, channels - 3)))

    def look(self, latent: Tensor, control: Tensor, tokens: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """One pass: features (B, C, h, w) and attention (B, 16, h, w) of each level, from coarse to fine."""
        features: list[Tensor] = []
        hooks = [block.register_forward_hook(lambda _, __, out: features.append(out)) for block in self.unet.up_blocks]
        embed, self.controlnet.controlnet_cond_embedding = self.controlnet.controlnet_cond_embedding, nn.Identity()
        try:
            down, middle = self.controlnet(latent, _TIME, tokens, control, return_dict=False)
            self.unet(latent, _TIME, tokens, down_block_additional_residuals=down, mid_block_additional_residual=middle, return_dict=False)
        finally:
            self.controlnet.controlnet_cond_embedding = embed
            for hook in hooks:
                hook.remove()
        return features, [recorder.map() for recorder in self.recorders]


class Features(Mixed):
    """Pictures and what guides them, to features (B, C, n, n) of the latent's size. Only what joins and merges is learned."""

    def __init__(self, generator: Generator, width: int, look: bool = True):
        super().__init__()
        self.generator, self.look = generator, look
        config = generator.controlnet.config
        # Nothing at first: then the ControlNet is told of bones alone, as when it learned to draw.
        self.join = zeroed(nn.Conv2d(generator.vae.config.latent_channels + len(JOINTS), config.block_out_channels[0], 3, padding=1))
        self.tokens = nn.Sequential(nn.Linear(3, _TOKEN), nn.GELU(), nn.Linear(_TOKEN, config.cross_attention_dim))
        self.names = nn.Parameter(torch.randn(len(JOINTS), config.cross_attention_dim))
        self.spread = nn.LayerNorm(config.cross_attention_dim)  # of words, or attention would make no difference between joints
        # Levels differ in scale, and attention by hundredths. Nothing at first: then latent and heatmaps alone are seen.
        self.norms = nn.ModuleList(nn.GroupNorm(1, channels) for channels in generator.levels)
        self.lay = nn.ModuleList(nn.GroupNorm(1, len(JOINTS)) for _ in generator.levels)
        self.merge = nn.ModuleList(zeroed(nn.Conv2d(channels + len(JOINTS), width, 1)) for channels in generator.levels)
        self.near = nn.Conv2d(generator.vae.config.latent_channels + len(JOINTS), width, 3, padding=1)
        self.mix = nn.Sequential(nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, images: Tensor, guidance: Guidance) -> Tensor:
        with self.mixed(images):
            return self._merged(images, guidance).float()

    def _merged(self, images: Tensor, guidance: Guidance) -> Tensor:
        latent = self.generator.latent(images)
        cells = latent.shape[-1]
        known = torch.cat([latent, guidance.heat(cells) * cells], 1)
        merged = self.near(known)
        if self.look:
            merged = merged + self._seen(latent, known, guidance, images.shape[-1])
        return merged + self.mix(merged)

    def _seen(self, latent: Tensor, known: Tensor, guidance: Guidance, size: int) -> Tensor:
        """Features and attention of all levels of the generator, at the latent's size."""
        control = self.generator.bones(guidance.joints, size) + self.join(known)
        tokens = self.spread(self.names + self.tokens(torch.cat([guidance.joints * 2 - 1, guidance.sure[..., None]], -1)))
        levels, attention = self.generator.look(latent, control, tokens)
        features = [norm(level) for norm, level in zip(self.norms, levels, strict=True)]
        lay = [_fitted(norm(share), like) for norm, share, like in zip(self.lay, attention, features, strict=True)]
        merged = [merge(torch.cat(pair, 1)) for merge, *pair in zip(self.merge, features, lay, strict=True)]
        return torch.stack([_fitted(level, latent) for level in merged]).sum(0)


class _Recorder:
    """Attention as diffusers computes it in plain steps, that keeps where each token was looked for."""

    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    def map(self) -> Tensor:
        """Mean over heads and layers, (B, tokens, h, w), of the last pass."""
        mean = torch.stack(self.kept).mean(0)
        self.kept.clear()
        side = round(mean.shape[1] ** 0.5)
        return mean.mT.unflatten(-1, (side, side))

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, **_: Any) -> Tensor:
        heads = len(hidden_states), attn.heads
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        key, value = (attn.head_to_batch_dim(to(encoder_hidden_states)) for to in (attn.to_k, attn.to_v))
        with torch.autocast(query.device.type, enabled=False):  # of 16 shares that hardly differ, half precision would leave a dozen
            share = (attn.scale * query.float() @ key.float().mT).softmax(-1)
        self.kept.append(share.unflatten(0, heads).mean(1))
        out = attn.batch_to_head_dim(torch.bmm(share.to(value.dtype), value))
        return attn.to_out[1](attn.to_out[0](out))


def _record(block: Any) -> _Recorder:
    """Put one recorder into all cross-attentions of a block of transformers."""
    recorder = _Recorder()
    for transformer in block.attentions:
        for layer in transformer.transformer_blocks:
            layer.attn2.set_processor(recorder)
    return recorder


def _fitted(maps: Tensor, like: Tensor) -> Tensor:
    """Maps (B, C, h, w) at the size of others."""
    return maps if maps.shape[-2:] == like.shape[-2:] else F.interpolate(maps, like.shape[-2:], mode="bilinear", align_corners=False)
