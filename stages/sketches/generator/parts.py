"""Whether the parts of a Stable Diffusion folder are there, whole, and of one piece."""

from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import nn

from manifests.errors import UserError
from stages.sketches.generator.build import CONDITION_CHANNELS
from stages.sketches.generator.source import Source

INDEX = "model_index.json"
_WEIGHTS, _WORDS = ("*.safetensors",), ("tokenizer.json", "merges.txt")
# Part -> the classes that it may be of, and the files of which one at least makes it.
_PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "vae": (("AutoencoderKL",), _WEIGHTS),
    "unet": (("UNet2DConditionModel",), _WEIGHTS),
    "controlnet": (("ControlNetModel",), _WEIGHTS),
    "text_encoder": (("CLIPTextModel",), _WEIGHTS),
    "text_encoder_2": (("CLIPTextModelWithProjection",), _WEIGHTS),
    "tokenizer": (("CLIPTokenizer", "CLIPTokenizerFast"), _WORDS),
    "tokenizer_2": (("CLIPTokenizer", "CLIPTokenizerFast"), _WORDS),
}
_TOWER = "text_model."  # that a text encoder's weights may or may not begin with


def check_parts(source: Source, index: dict, two_encoders: bool, given: bool) -> None:
    """Every part that the kind draws with is of the class that it takes, and has its own folder with the files that make it.

    given: the ControlNet comes from elsewhere, or none is wanted.
    """
    second = ("text_encoder_2", "tokenizer_2") if two_encoders else ()
    for name in ("vae", "unet", "text_encoder", "tokenizer", *second, *(() if given else ("controlnet",))):
        value, (expected, files) = index.get(name), _PARTS[name]
        if not isinstance(value, list) or value[-1] not in expected:
            what = value[-1] if isinstance(value, list) else None
            raise UserError(f"{source.where}/{INDEX}: {name} is a {what}; expected a {expected[0]}")
        folder = source.folder / name
        if not folder.is_dir():
            raise UserError(f"{source.where}: {INDEX} names {name}, but there is no folder {name}")
        if not any(sorted(folder.glob(file)) for file in files):
            raise UserError(f"{source.where}/{name}: no {' and no '.join(files)} there; other formats are not read")


def check_whole(pipeline: Any, source: Source) -> None:
    """What a file of weights lacks would be left out, or made up."""
    for name, part in pipeline.components.items():
        if name.startswith("text_encoder"):
            _check_text_encoder(part, source.folder / name)
        elif isinstance(part, nn.Module):
            check_weights(part, f"{source.where}/{name}")


def check_weights(net: nn.Module, where: str) -> None:
    if lacking := [name for name, value in net.state_dict().items() if value.is_meta]:
        raise UserError(f"{where}: its weights lack {lacking[0]}")


def _check_text_encoder(net: nn.Module, folder: Path) -> None:
    """transformers makes up what a file lacks, at random. The names begin otherwise from version to version."""
    held: set[str] = set()
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            held |= {name.removeprefix(_TOWER) for name in weights.keys()}  # noqa: SIM118
    wanted = {name.removeprefix(_TOWER) for name in net.state_dict() if not name.endswith("position_ids")}
    if lacking := sorted(wanted - held):
        raise UserError(f"{folder}: its weights lack {lacking[0]}")


def check_fit(pipeline: Any, where: str) -> None:
    """The parts belong together, as far as their sizes say."""
    channels = pipeline.controlnet.config.conditioning_channels
    if channels not in (3, CONDITION_CHANNELS):
        raise UserError(f"{where}: its ControlNet takes {channels} channels; expected 3 (pose map) or {CONDITION_CHANNELS} (with part map)")
    if pipeline.unet.config.in_channels != pipeline.vae.config.latent_channels:
        made, taken = pipeline.vae.config.latent_channels, pipeline.unet.config.in_channels
        raise UserError(f"{where}: its VAE makes latents of {made} channels, its U-Net takes {taken}")
    if pipeline.controlnet.config.cross_attention_dim != pipeline.unet.config.cross_attention_dim:
        raise UserError(f"{where}: its ControlNet and its U-Net belong to different kinds of models (their prompts differ in width)")
    for number in ("", "_2") if hasattr(pipeline, "text_encoder_2") else ("",):
        tokenizer, encoder = getattr(pipeline, f"tokenizer{number}"), getattr(pipeline, f"text_encoder{number}")
        made = tokenizer.model_max_length, len(tokenizer)
        taken = encoder.config.max_position_embeddings, encoder.config.vocab_size
        if made[0] > taken[0] or made[1] > taken[1]:
            said = f"{made[0]} tokens of {made[1]} words, text_encoder{number} takes {taken[0]} of {taken[1]}"
            raise UserError(f"{where}: tokenizer{number} makes {said}")
