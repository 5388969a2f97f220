"""Tiny random models of the kinds that others publish: SD 1.x and SDXL, ControlNets of three channels, a tiny VAE."""

from pathlib import Path
from typing import Any

from diffusers import (
    AutoencoderTiny,
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModelWithProjection

from manifests.recipe import Diffusion
from manifests.recipe_files import load_recipe
from manifests.stage import Config
from stages.sketches.stage import Sketches


def stage_of(**diffusion: Any) -> Sketches:
    """The sketches stage, set up with a model; pictures of 128 px, two at a time, in one step."""
    recipe = load_recipe("smoke", ["projections.size=128", "sketches.source=diffusion"])
    sketches = recipe.sketches.model_copy(update={"diffusion": Diffusion(**{"batch": 2, "steps": 1, **diffusion})})
    stage = Sketches(Config(recipe.model_copy(update={"sketches": sketches}), Sketches.config))
    stage.setup("cpu")
    return stage


def save_sd(ours, path: Path) -> Path:
    """SD 1.x without a ControlNet; epsilon prediction."""
    parts = {name: ours.components[name] for name in ("vae", "unet", "text_encoder", "tokenizer")}
    scheduler = EulerDiscreteScheduler(prediction_type="epsilon")
    pipeline = StableDiffusionPipeline(
        **parts, scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    pipeline.save_pretrained(path)
    return path


def save_controlnet(unet, path: Path, channels: int = 3) -> Path:
    """A ControlNet for a U-Net of ours."""
    ControlNetModel.from_unet(unet, conditioning_channels=channels, conditioning_embedding_out_channels=(4, 8, 8)).save_pretrained(path)
    return path


def save_sdxl(ours, path: Path) -> Path:
    """SDXL without a ControlNet: two text encoders, pooled words and sizes."""
    width = ours.text_encoder.config.hidden_size
    config = {name: value for name, value in ours.unet.config.items() if not name.startswith("_")}
    sizes = {"addition_embed_type": "text_time", "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 6 * 4 + width}
    unet = UNet2DConditionModel(**{**config, **sizes, "cross_attention_dim": 2 * width})
    second = CLIPTextModelWithProjection(ours.text_encoder.config)
    StableDiffusionXLPipeline(
        vae=ours.vae, unet=unet, text_encoder=ours.text_encoder, text_encoder_2=second, tokenizer=ours.tokenizer,
        tokenizer_2=ours.tokenizer, scheduler=EulerDiscreteScheduler(), add_watermarker=False,
    ).save_pretrained(path)  # fmt: skip
    return path


def save_tiny_vae(ours, path: Path, halvings: int = 2) -> Path:
    """An AutoencoderTiny for our latents."""
    widths, blocks = (8,) * (halvings + 1), (1,) * (halvings + 1)
    AutoencoderTiny(
        latent_channels=ours.vae.config.latent_channels, encoder_block_out_channels=widths, decoder_block_out_channels=widths,
        num_encoder_blocks=blocks, num_decoder_blocks=blocks,
    ).save_pretrained(path)  # fmt: skip
    return path
