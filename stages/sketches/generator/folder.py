"""Opens Stable Diffusion folders: ours, any SD 1.x or SDXL with or without a ControlNet of its own. Nothing in them is run."""

import json
from typing import Any

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
from stages.sketches.generator.parts import INDEX, check_fit, check_parts, check_weights, check_whole
from stages.sketches.generator.source import Source

_LIBRARIES = ("diffusers", "transformers", "stable_diffusion")  # the last is a part of diffusers
# _class_name of a folder -> the pipeline that draws with it, and whether it brings its ControlNet.
_KINDS: dict[str, tuple[type, bool]] = {
    "StableDiffusionControlNetPipeline": (StableDiffusionControlNetPipeline, True),
    "StableDiffusionPipeline": (StableDiffusionControlNetPipeline, False),
    "StableDiffusionXLControlNetPipeline": (StableDiffusionXLControlNetPipeline, True),
    "StableDiffusionXLPipeline": (StableDiffusionXLControlNetPipeline, False),
}
_NO_SAFETY: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


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
    check_parts(source, index, kind is StableDiffusionXLControlNetPipeline, given=controlnet is not None)
    parts: dict[str, Any] = _NO_SAFETY if kind is StableDiffusionControlNetPipeline else {}
    if controlnet is not None:
        parts = parts | {"controlnet": _part(ControlNetModel, controlnet, dtype)}
    pipeline = _read(kind, source, dtype, parts)
    check_whole(pipeline, source)
    check_fit(pipeline, source.where)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def open_tiny_vae(source: Source, dtype: torch.dtype, device: str = "cpu") -> Any:
    """A small decoder to take the place of the model's own."""
    return _part(AutoencoderTiny, source, dtype).to(device)


def open_plain(source: Source) -> Any:
    """An SD 1.x model as it is, without a ControlNet."""
    check_parts(source, read_index(source), two_encoders=False, given=True)
    pipeline = _read(StableDiffusionPipeline, source, torch.float32, _NO_SAFETY)
    check_whole(pipeline, source)
    return pipeline


def read_index(source: Source) -> dict:
    """The model_index.json of a folder or a hub model."""
    try:
        index = json.loads((source.folder / INDEX).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{source.where}: no {INDEX} there; expected a Stable Diffusion folder as diffusers saves it") from None
    except (OSError, ValueError, RecursionError) as e:
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


def _part(kind: Any, source: Source, dtype: torch.dtype) -> Any:
    """A part by itself, of its own folder."""
    try:
        name = json.loads((source.folder / "config.json").read_bytes()).get("_class_name")
    except (OSError, ValueError, AttributeError):
        raise UserError(f"{source.where}/config.json: cannot read it; expected the folder of a {kind.__name__}") from None
    if name != kind.__name__:
        raise UserError(f"{source.where}: is a {name}; expected a {kind.__name__}")
    part = _read(kind, source, dtype, {})
    check_weights(part, source.where)
    return part


def _read(kind: Any, source: Source, dtype: torch.dtype, parts: dict[str, Any]) -> Any:
    """Neither pickles nor code are read, and nothing is fetched."""
    try:
        return kind.from_pretrained(str(source.folder), dtype=dtype, local_files_only=True, use_safetensors=True, **parts)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as e:  # whatever its libraries meet in files of others
        raise UserError(f"{source.where}: diffusers cannot load it ({first_line(e)})") from None
