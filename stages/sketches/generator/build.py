"""Builds the model: a Stable-Diffusion-format pipeline of small networks, and the folder that diffusers loads without us."""

import copy
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, StableDiffusionControlNetPipeline, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from stages.sketches.generator.config import Networks
from stages.sketches.generator.notes import NOTES
from stages.sketches.generator.tokenizer import build_tokenizer

CONDITION_CHANNELS = 6  # the pose map's three and the part map's three
_SHARD = "12MB"  # no file of a repository should be larger
_OPEN = 0.1  # scale of the ControlNet's outputs at the start: it is trained from nothing, so they need not be shut
_AWAKE = 1.7  # gain of the layers that embed its maps: with torch's own start nothing comes through so many


def build_pipeline(sizes: Networks, captions: Iterable[str], seed: int) -> Any:
    """A StableDiffusionControlNetPipeline of random weights that follow from the seed; its tokenizer knows the words of the captions."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        tokenizer = build_tokenizer(captions, sizes.tokens)
        unet = build_unet(sizes)
        parts = {
            "vae": build_vae(sizes),
            "unet": unet,
            "controlnet": open_controlnet(unet, sizes.condition),
            "text_encoder": build_text_encoder(sizes, tokenizer),
        }
    return StableDiffusionControlNetPipeline(
        **parts, tokenizer=tokenizer, scheduler=build_scheduler(), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip


def build_vae(sizes: Networks) -> Any:
    """An AutoencoderKL: the picture to a latent and back; a level halves it, but for the first."""
    levels = len(sizes.vae)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=sizes.vae, layers_per_block=1, latent_channels=sizes.latent_channels, norm_num_groups=sizes.vae_groups,
        sample_size=sizes.size, scaling_factor=1.0, force_upcast=False, mid_block_add_attention=False,
    )  # fmt: skip


def build_unet(sizes: Networks) -> UNet2DConditionModel:
    """The denoiser of latents; every level attends to the prompt."""
    levels = len(sizes.unet)
    return UNet2DConditionModel(
        sample_size=sizes.size // 2 ** (len(sizes.vae) - 1), in_channels=sizes.latent_channels, out_channels=sizes.latent_channels,
        down_block_types=("CrossAttnDownBlock2D",) * levels, up_block_types=("CrossAttnUpBlock2D",) * levels,
        block_out_channels=sizes.unet, layers_per_block=sizes.unet_layers, cross_attention_dim=sizes.text_width,
        attention_head_dim=sizes.heads, norm_num_groups=sizes.groups, use_linear_projection=True,
    )  # fmt: skip


def open_controlnet(unet: UNet2DConditionModel, condition: tuple[int, ...], scale: float = _OPEN) -> ControlNetModel:
    """A ControlNet of the U-Net's shape for six channels of condition, from torch's random state. Scale 0 shuts it at first, as a
    trained U-Net needs it."""
    net = ControlNetModel.from_unet(
        unet, conditioning_channels=CONDITION_CHANNELS, conditioning_embedding_out_channels=condition, load_weights_from_unet=scale == 0
    )
    if scale:
        embedding = net.controlnet_cond_embedding
        for layer in (embedding.conv_in, *embedding.blocks):
            nn.init.normal_(layer.weight, std=_AWAKE * layer.weight[0].numel() ** -0.5)
            nn.init.zeros_(layer.bias)
        nn.init.kaiming_uniform_(embedding.conv_out.weight, a=5**0.5)
        for layer in (*net.controlnet_down_blocks, net.controlnet_mid_block):
            nn.init.normal_(layer.weight, std=scale * layer.in_channels**-0.5)
    return net


def build_text_encoder(sizes: Networks, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A small CLIP text tower."""
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=sizes.text_width, intermediate_size=4 * sizes.text_width, projection_dim=sizes.text_width,
        num_hidden_layers=sizes.text_layers, num_attention_heads=sizes.text_heads, max_position_embeddings=sizes.tokens,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    ))  # fmt: skip


def build_scheduler() -> DDIMScheduler:
    """Predicts velocity, ends in pure noise and spaces its steps from there: what few steps need."""
    return DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type="v_prediction", clip_sample=False,
        set_alpha_to_one=True, steps_offset=0, timestep_spacing="trailing", rescale_betas_zero_snr=True,
    )  # fmt: skip


def save_folder(pipeline: Any, folder: Path, notes: dict, dtype: torch.dtype = torch.float16) -> None:
    """Write the model folder in half precision, whole or not at all; `notes` say how it is meant to be used."""
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    copied = copy.deepcopy(pipeline)
    for name, part in copied.components.items():
        # Left in single precision, text encoders are what from_pretrained makes of all other parts, whichever dtype it is asked for.
        if isinstance(part, nn.Module) and not name.startswith("text_encoder"):
            nn.Module.to(part, dtype)
    copied.save_pretrained(beside, safe_serialization=True, max_shard_size=_SHARD)
    (beside / NOTES).write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n")
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    beside.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def parameters(module: nn.Module) -> int:
    """Number of weights."""
    return sum(p.numel() for p in module.parameters())
