"""Opens Stable Diffusion folders: ours, any SD 1.x or SDXL with or without a ControlNet of its own. Nothing in them is run."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import (
    AutoencoderTiny,
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLControlNetPipeline,
)

from manifests.errors import UserError, first_line
from stages.quiet import hush
from stages.sketches.generator.build import CONDITION_CHANNELS, NOTES

INDEX = "model_index.json"
_LIBRARIES = ("diffusers", "transformers", "stable_diffusion")  # the last is a part of diffusers
# _class_name of a folder -> the pipeline that draws with it, and whether it brings its ControlNet.
_KINDS: dict[str, tuple[type, bool]] = {
    "StableDiffusionControlNetPipeline": (StableDiffusionControlNetPipeline, True),
    "StableDiffusionPipeline": (StableDiffusionControlNetPipeline, False),
    "StableDiffusionXLControlNetPipeline": (StableDiffusionXLControlNetPipeline, True),
    "StableDiffusionXLPipeline": (StableDiffusionXLControlNetPipeline, False),
}
_NO_SAFETY: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


class Source(NamedTuple):
    """Where a model is: a folder, or a hub id with its commit. online: the hub may be asked."""

    where: str
    revision: str | None = None
    online: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """How diffusers is to read it: no pickles, no code, nothing fetched unless asked."""
        return {"local_files_only": not self.online, "use_safetensors": True, "revision": self.revision}


def open_pipeline(source: Source, controlnet: Source | None, dtype: torch.dtype, device: str = "cpu") -> Any:
    """The pipeline of a model, with its own ControlNet or the given one. Raises UserError with one sentence."""
    hush()
    index = read_index(source)
    name = index.get("_class_name")
    if not isinstance(name, str) or name not in _KINDS:
        raise UserError(f"{source.where}: is a {name}; expected one of {', '.join(_KINDS)}")
    kind, has_control = _KINDS[name]
    if not has_control and controlnet is None:
        raise UserError(f"{source.where}: has no ControlNet; name one's folder in sketches.diffusion.controlnet")
    parts: dict[str, Any] = {}
    if controlnet is not None:
        parts["controlnet"] = _part(ControlNetModel, controlnet, dtype)
    if kind is StableDiffusionControlNetPipeline:
        parts |= _NO_SAFETY
    _check_files(source, index, parts)
    pipeline = _read(kind, source, dtype, parts)
    _check_channels(pipeline, source.where)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def open_tiny_vae(source: Source, dtype: torch.dtype, device: str = "cpu") -> Any:
    """A small decoder to take the place of the model's own."""
    return _part(AutoencoderTiny, source, dtype).to(device)


def notes_of(where: str) -> dict:
    """How one of our models wants to be used; nothing for other folders."""
    try:
        return json.loads((Path(where) / NOTES).read_bytes())
    except (OSError, ValueError):
        return {}


def read_index(source: Source) -> dict:
    """The model_index.json of a folder or a hub model."""
    folder = Path(source.where)
    try:
        path = folder / INDEX if folder.exists() else _from_hub(source)
        index = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise UserError(f"{source.where}: no {INDEX} there; expected a Stable Diffusion folder as diffusers saves it") from None
    except (OSError, ValueError) as e:
        raise UserError(f"{source.where}/{INDEX}: cannot read ({e})") from None
    if not isinstance(index, dict):
        raise UserError(f"{source.where}/{INDEX}: expected a mapping of parts to classes")
    _check_libraries(source, index)
    return index


def _check_libraries(source: Source, index: dict) -> None:
    """diffusers would import whatever module the index names for a part."""
    for name, value in index.items():
        if isinstance(value, list) and (not value or value[0] not in (None, *_LIBRARIES)):
            raise UserError(f"{source.where}/{INDEX}: {name} is {value}; expected a class of diffusers or transformers")


def _from_hub(source: Source) -> str:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return hf_hub_download(source.where, INDEX, revision=source.revision, local_files_only=not source.online)
    except HFValidationError:
        raise UserError(f"{source.where}: no such folder, and not the id of a hub model") from None
    except LocalEntryNotFoundError:
        raise UserError(f"{source.where}: no such folder, and not in the local cache; sketches.diffusion.online=true fetches it") from None
    except HfHubHTTPError as e:
        raise UserError(f"{source.where}: the hub refused ({first_line(e)})") from None


def open_plain(source: Source) -> Any:
    """An SD 1.x model as it is, without a ControlNet."""
    _check_files(source, read_index(source), _NO_SAFETY)
    return _read(StableDiffusionPipeline, source, torch.float32, _NO_SAFETY)


def _check_files(source: Source, index: dict, given: dict[str, Any]) -> None:
    """Every part of a local folder has its own folder, and its weights are safetensors."""
    folder = Path(source.where)
    for name, value in index.items() if folder.exists() else ():
        if not isinstance(value, list) or value[:1] == [None] or name in given:
            continue
        if not (folder / name).is_dir():
            raise UserError(f"{source.where}: {INDEX} names {name}, but there is no folder {name}")
        if name in ("unet", "vae", "controlnet", "text_encoder", "text_encoder_2") and not sorted((folder / name).glob("*.safetensors")):
            raise UserError(f"{folder / name}: no .safetensors there; weights in other formats are not read")


def _part(kind: Any, source: Source, dtype: torch.dtype) -> Any:
    folder = Path(source.where)
    if folder.exists():
        try:
            name = json.loads((folder / "config.json").read_bytes()).get("_class_name")
        except (OSError, ValueError):
            raise UserError(f"{folder}/config.json: cannot read it; expected the folder of a {kind.__name__}") from None
        if name != kind.__name__:
            raise UserError(f"{folder}: is a {name}; expected a {kind.__name__}")
    return _read(kind, source, dtype, {})


def _read(kind: Any, source: Source, dtype: torch.dtype, parts: dict[str, Any]) -> Any:
    try:
        return kind.from_pretrained(source.where, dtype=dtype, **source.options, **parts)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as e:
        raise UserError(f"{source.where}: diffusers cannot load it ({first_line(e)})") from None


def _check_channels(pipeline: Any, where: str) -> None:
    channels = pipeline.controlnet.config.conditioning_channels
    if channels not in (3, CONDITION_CHANNELS):
        raise UserError(f"{where}: its ControlNet takes {channels} channels; expected 3 (pose map) or {CONDITION_CHANNELS} (with part map)")
    if pipeline.unet.config.in_channels != pipeline.vae.config.latent_channels:
        made, taken = pipeline.vae.config.latent_channels, pipeline.unet.config.in_channels
        raise UserError(f"{where}: its VAE makes latents of {made} channels, its U-Net takes {taken}")
    if pipeline.controlnet.config.cross_attention_dim != pipeline.unet.config.cross_attention_dim:
        raise UserError(f"{where}: its ControlNet and its U-Net belong to different kinds of models (their prompts differ in width)")
