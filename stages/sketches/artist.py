"""Rows drawn by a diffusion model: what each asks for, and the model that is asked."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import torch

from manifests.errors import UserError, first_line
from manifests.recipe import Diffusion
from manifests.sample import prompt_of
from stages.body.figure import Figure, figure_of_row
from stages.body.model import BodyModel
from stages.sketches.bundled import GENERATOR
from stages.sketches.generator.conditions import condition, part_map, pose_map
from stages.sketches.generator.folder import open_pipeline, open_tiny_vae
from stages.sketches.generator.notes import notes_of
from stages.sketches.generator.sampler import Order, Painter, of_machine
from stages.sketches.generator.source import Source
from stages.sketches.generator.words import choose_phrase

_STEPS, _GUIDANCE = 20, 7.5  # of a model that does not say how it wants to be used
_TRIED = 2  # steps of the first picture, which nobody sees


class Artist:
    """The model of a recipe, loaded once. size: side in pixels of the rows' labels."""

    def __init__(self, config: Diffusion, size: int, body: BodyModel, device: str):
        self.config, self.size, self.body = config, size, body
        self.sources = sources_of(config)
        source, dtype = self.sources["model"], getattr(torch, config.dtype)
        self.notes = notes_of(source.folder, source.where)
        self.pipeline = open_pipeline(source, self.sources.get("controlnet"), dtype, device)
        tiny = open_tiny_vae(self.sources["tiny_vae"], dtype, device) if config.tiny_vae else None
        steps, guidance = self._manner()
        self._try(Painter(self.pipeline, min(steps, _TRIED), guidance, 1, tiny))
        self.painter = Painter(self.pipeline, steps, guidance, config.batch, tiny, config.compile)

    def _manner(self) -> tuple[int, float]:
        """Steps and guidance: the recipe's, else the model's."""
        steps = self.config.steps or self.notes.steps or _STEPS
        return steps, self.config.guidance or self.notes.guidance or _GUIDANCE

    def _try(self, painter: Painter) -> None:
        """Draw nothing in particular, once: parts that do not fit are the model's fault, not a sample's."""
        where = self.sources["model"].where
        try:
            channels = self.pipeline.controlnet.config.conditioning_channels
            picture = painter.paint([Order("", np.zeros((channels, self.side, self.side), np.uint8), 0)])[0]
        except Exception as e:
            if isinstance(e, MemoryError) or of_machine(e):
                raise
            raise UserError(f"{where}: its parts do not draw together ({first_line(e)})") from None
        if picture.shape != (self.side, self.side, 3):
            raise UserError(f"{where}: it was asked for {self.side} px and draws {picture.shape[0]}; its VAE is of another kind")

    def order(self, row: dict[str, Any], rng: np.random.Generator) -> tuple[Order, str]:
        """What to draw for a row, and the phrase that its figure shall fit."""
        figure = self.figure(row)
        phrase = choose_phrase(row["style"], rng, figure)
        seed = int(rng.integers(2**53))  # more than any reader of JSON is sure to keep to the last digit
        return Order(prompt_of(row["style"], phrase, row["motion"]), self.condition(row, figure), seed), phrase

    def pictures(self, orders: Iterable[Order]) -> Iterator[np.ndarray]:
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
        return self.notes.size or factor * (latent if isinstance(latent, int) else latent[0])

    def _fitted(self, picture: np.ndarray) -> np.ndarray:
        how = cv2.INTER_AREA if len(picture) > self.size else cv2.INTER_CUBIC
        return picture if len(picture) == self.size else cv2.resize(picture, (self.size, self.size), interpolation=how)

    @cached_property
    def name(self) -> str:
        """What tells the model from any other, and what it was given in place of parts of its own."""
        return " ".join(source.name if part == "model" else f"{part}={source.name}" for part, source in self.sources.items())


def sources_of(config: Diffusion) -> dict[str, Source]:
    """Where the recipe's model is, and the parts that it is given: `controlnet`, `tiny_vae`."""
    model = Source(config.hub, config.revision, config.online) if config.hub else Source(str(config.model or GENERATOR))
    given = {"controlnet": config.controlnet, "tiny_vae": config.tiny_vae}
    return {"model": model} | {part: Source(str(path)) for part, path in given.items() if path}
