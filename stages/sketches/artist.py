"""Rows drawn by a diffusion model: what each asks for, and the model that is asked."""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from manifests.recipe import Diffusion
from manifests.sample import prompt_of
from stages.body.figure import Figure, figure_of_row
from stages.body.model import BodyModel
from stages.sketches.bundled import GENERATOR
from stages.sketches.generator.conditions import condition, part_map, pose_map
from stages.sketches.generator.folder import Source, notes_of, open_pipeline, open_tiny_vae
from stages.sketches.generator.sampler import Order, Painter
from stages.sketches.generator.words import choose_phrase

_STEPS, _GUIDANCE = 20, 7.5  # of a model that does not say how it wants to be used


class Artist:
    """The model of a recipe, loaded once. size: side in pixels of the rows' labels."""

    def __init__(self, config: Diffusion, size: int, body: BodyModel, device: str):
        self.config, self.size, self.body = config, size, body
        self.source = source_of(config)
        self.notes = notes_of(self.source.where)
        dtype = getattr(torch, config.dtype)
        controlnet = Source(str(config.controlnet)) if config.controlnet else None
        self.pipeline = open_pipeline(self.source, controlnet, dtype, device)
        tiny = open_tiny_vae(Source(str(config.tiny_vae)), dtype, device) if config.tiny_vae else None
        self.painter = Painter(self.pipeline, *self._manner(), config.batch, tiny, config.compile)

    def _manner(self) -> tuple[int, float]:
        """Steps and guidance: the recipe's, else the model's."""
        steps = self.config.steps or self.notes.get("steps", _STEPS)
        guidance = self.notes.get("guidance", _GUIDANCE) if self.config.guidance is None else self.config.guidance
        return int(steps), float(guidance)

    def order(self, row: dict[str, Any], rng: np.random.Generator) -> tuple[Order, str]:
        """What to draw for a row, and the phrase that its figure shall fit."""
        figure = self.figure(row)
        phrase = choose_phrase(row["style"], rng, figure)
        seed = int(rng.integers(2**53))  # more than any reader of JSON is sure to keep to the last digit
        return Order(prompt_of(row["style"], phrase, row["motion"]), self.condition(row, figure), seed), phrase

    def pictures(self, orders: list[Order]) -> Iterator[np.ndarray]:
        """Pictures (size, size, 3) uint8, in order."""
        for batch in self.painter.stream(orders):
            yield from (self._fitted(picture) for picture in batch)

    def figure(self, row: dict[str, Any]) -> Figure:
        """The figure of a row's labels, at the model's own size."""
        return figure_of_row(self.body, row, self.side, self.side / self.size)

    def condition(self, row: dict[str, Any], figure: Figure) -> np.ndarray:
        """The ControlNet's condition for a row's labels, at the model's own size."""
        side, scale = self.side, self.side / self.size
        pose = pose_map(row["joints2d"] * scale, row["joints3d_drawn"][:, 2], side, self.config.colours)
        channels = self.pipeline.controlnet.config.conditioning_channels
        wanted = channels > 3 and self.config.condition == "full"
        return condition(pose, part_map(figure) if wanted else None, channels)

    @cached_property
    def side(self) -> int:
        """Side in pixels of the pictures that the model was trained for."""
        factor = 2 ** (len(self.pipeline.vae.config.block_out_channels) - 1)
        latent = self.pipeline.unet.config.sample_size
        return int(self.notes.get("size") or factor * (latent if isinstance(latent, int) else latent[0]))

    def _fitted(self, picture: np.ndarray) -> np.ndarray:
        how = cv2.INTER_AREA if len(picture) > self.size else cv2.INTER_CUBIC
        return picture if len(picture) == self.size else cv2.resize(picture, (self.size, self.size), interpolation=how)

    @cached_property
    def name(self) -> str:
        """What tells the model from any other: the digest of its files, or its commit on the hub."""
        if not Path(self.source.where).exists():
            return f"{self.source.where}@{self.source.revision}"
        return f"sha256:{folder_digest(Path(self.source.where))}"


def source_of(config: Diffusion) -> Source:
    """Where the recipe's model is."""
    if config.hub:
        return Source(config.hub, config.revision, config.online)
    return Source(str(config.model or GENERATOR))


def folder_digest(folder: Path) -> str:
    """sha256 of the names and contents of a folder's files; what is only there to be read by people does not count."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".md"):
        with path.open("rb") as file:
            digest.update(f"{path.relative_to(folder)}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
