"""Draws with a Stable Diffusion pipeline in batches of one size: a picture depends on its own order alone, whatever is drawn beside it."""

import inspect
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stages.sketches.generator.conditions import shares
from stages.sketches.generator.pictures import to_pictures
from stages.sketches.generator.prompts import Prompts


@dataclass(frozen=True)
class Order:
    """One picture: what it shows, the ControlNet's condition (C, H, W) uint8, and the seed of its noise."""

    prompt: str
    condition: np.ndarray
    seed: int


class Painter:
    """A pipeline in use. Batches are padded to `batch`, so that a picture is the same bytes in any company.

    Where memory runs out, the batch halves; `batch` then says so, and pictures from there on are those of a painter of that batch.
    """

    def __init__(self, pipeline: Any, steps: int, guidance: float, batch: int, tiny_vae: Any = None, compiled: bool = False):
        self.pipeline, self.steps, self.guidance, self.batch = pipeline, steps, guidance, batch
        self.most = batch  # that memory is not known to be too small for
        self.unet, self.controlnet, self.scheduler = pipeline.unet, pipeline.controlnet, pipeline.scheduler
        self.vae = tiny_vae or pipeline.vae
        self.device, self.dtype = self.unet.device, self.unet.dtype
        self.prompts = Prompts(pipeline, batch)
        self._embed: nn.Module = self.controlnet.controlnet_cond_embedding
        self._as_is = nn.Identity()
        # A model that was distilled with a guidance input takes it as a number, in one pass.
        self.twice = guidance > 1 and self.unet.config.time_cond_proj_dim is None
        self._pass, self._control, self._decode = self.unet, self.controlnet, self.vae.decode
        if compiled:
            nets = self.unet, self.controlnet, self.vae.decode
            self._pass, self._control, self._decode = (torch.compile(net, dynamic=False) for net in nets)

    def paint(self, orders: list[Order]) -> list[np.ndarray]:
        """A picture (H, W, 3) uint8 for each order."""
        return [picture for batch in self.stream(orders) for picture in batch]

    def stream(self, orders: Iterable[Order]) -> Iterator[list[np.ndarray]]:
        """Pictures batch by batch, in order; orders are asked for as they are needed."""
        coming, waiting = iter(orders), list[Order]()
        while True:
            waiting += islice(coming, max(0, self.batch - len(waiting)))
            if not waiting:
                return
            pictures = self._tried(waiting[: self.batch])
            if pictures is None:
                self._halve()
                continue
            del waiting[: self.batch]
            yield pictures

    def resize(self, batch: int | None = None) -> None:
        """Draw in batches of another size from now on; None: as large as was asked for and memory holds."""
        batch = min(batch or self.most, self.most)
        if batch != self.batch:
            self.batch = self.prompts.batch = batch
            self.prompts.forget()  # embeddings differ in the last digits from batch to batch

    def _tried(self, orders: list[Order]) -> list[np.ndarray] | None:
        """Pictures, or None where a smaller batch may help. Returns before that, so that nothing of this one is kept."""
        try:
            return self._batch(orders)
        except RuntimeError as e:
            if self.batch < 2 or not _short(e):
                raise
            return None

    def _halve(self) -> None:
        before, self.most = self.batch, self.batch // 2
        self.resize()
        print(f"skep: memory ran out at {before} pictures a batch, going on with {self.batch}", file=sys.stderr)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _batch(self, orders: list[Order]) -> list[np.ndarray]:
        padded = orders + [orders[-1]] * (self.batch - len(orders))
        embedded = self.prompts.embed([order.prompt for order in padded], guided=self.twice)
        conditions = shares(torch.from_numpy(np.stack([order.condition for order in padded])).to(self.device)).to(self.dtype)
        latents = self._denoised(padded, conditions, embedded)
        return to_pictures(self._decoded(latents))[: len(orders)]

    def _denoised(self, orders: list[Order], conditions: Tensor, embedded: tuple[Tensor, dict[str, Tensor] | None]) -> Tensor:
        generators = [torch.Generator("cpu").manual_seed(order.seed) for order in orders]
        self.scheduler.set_timesteps(self.steps, device=self.device)
        latents = self._noise(generators, conditions) * self.scheduler.init_noise_sigma
        extra = self._extra(generators, conditions.shape[-1], embedded[1])
        control = self._hints(conditions)  # the same at every step, and at full size the dearest part of a small ControlNet
        control = torch.cat([control] * 2) if self.twice else control
        with self._embedded():
            for time in self.scheduler.timesteps:
                taken = self.scheduler.scale_model_input(torch.cat([latents] * 2) if self.twice else latents, time).to(self.dtype)
                made = self._predicted(taken, time, embedded[0], control, extra).float()
                if self.twice:
                    blind, told = made.chunk(2)
                    made = blind + self.guidance * (told - blind)
                latents = self.scheduler.step(made, time, latents, **self._step_options(generators), return_dict=False)[0]
        return latents

    def _hints(self, conditions: Tensor) -> Tensor:
        """Conditions, embedded. A ControlNet of blue first turns the channels of what it is given, so it is given them turned."""
        turned = self.controlnet.config.controlnet_conditioning_channel_order == "bgr"
        return self._embed(conditions.flip(1)).flip(1) if turned else self._embed(conditions)

    def _predicted(self, latents: Tensor, time: Tensor, words: Tensor, control: Tensor, extra: dict[str, Any]) -> Tensor:
        sizes = {"added_cond_kwargs": extra["added_cond_kwargs"]}
        down, middle = self._control(latents, time, words, control, return_dict=False, **sizes)
        return self._pass(
            latents, time, words, down_block_additional_residuals=down, mid_block_additional_residual=middle, return_dict=False, **extra
        )[0]

    def _extra(self, generators: list[torch.Generator], side: int, pooled: dict[str, Tensor] | None) -> dict[str, Any]:
        """What the U-Net wants besides: SDXL's pooled words and sizes, a distilled model's guidance."""
        extra: dict[str, Any] = {"added_cond_kwargs": None, "timestep_cond": None}
        if pooled is not None:
            rows = len(pooled["text_embeds"])
            sizes = torch.tensor([[side, side, 0, 0, side, side]], device=self.device, dtype=self.dtype).repeat(rows, 1)
            extra["added_cond_kwargs"] = {**pooled, "time_ids": sizes}
        if self.unet.config.time_cond_proj_dim is not None:
            scale = torch.tensor(self.guidance - 1).repeat(len(generators))
            known = self.pipeline.get_guidance_scale_embedding(scale, embedding_dim=self.unet.config.time_cond_proj_dim)
            extra["timestep_cond"] = known.to(self.device, self.dtype)
        return extra

    def _noise(self, generators: list[torch.Generator], conditions: Tensor) -> Tensor:
        side = conditions.shape[-1] // 2 ** (len(self.pipeline.vae.config.block_out_channels) - 1)
        shape = (1, self.unet.config.in_channels, side, side)
        return torch.cat([torch.randn(shape, generator=generator) for generator in generators]).to(self.device)

    def _step_options(self, generators: list[torch.Generator]) -> dict[str, Any]:
        takes = inspect.signature(self.scheduler.step).parameters
        return {"generator": generators} if "generator" in takes else {}

    def _decoded(self, latents: Tensor) -> Tensor:
        config = self.vae.config
        upcast = self.vae.dtype == torch.float16 and config.get("force_upcast", False)
        if upcast:
            self.vae.to(torch.float32)
        latents = self._unscaled(latents.to(torch.float32 if upcast else self.vae.dtype))
        picture = self._decode(latents, return_dict=False)[0]
        if upcast:
            self.vae.to(torch.float16)
        return picture

    def _unscaled(self, latents: Tensor) -> Tensor:
        """As the VAE made them. Some say how their channels are spread, one by one."""
        config = self.vae.config
        spread = [config.get(name) for name in ("latents_std", "latents_mean")]
        if None in spread:
            return latents / config.scaling_factor
        std, mean = (torch.tensor(values).to(latents).view(1, -1, 1, 1) for values in spread)
        return latents * std / config.scaling_factor + mean

    @contextmanager
    def _embedded(self) -> Iterator[None]:
        """While entered, the ControlNet takes its condition as already embedded."""
        self.controlnet.controlnet_cond_embedding = self._as_is
        try:
            yield
        finally:
            self.controlnet.controlnet_cond_embedding = self._embed


def of_machine(error: Exception) -> bool:
    """Whether memory ran out or a GPU failed: no fault of what was drawn, nor of what drew it."""
    return isinstance(error, RuntimeError) and (_short(error) or any(word in str(error) for word in ("CUDA", "CUDNN", "CUBLAS")))


def _short(error: RuntimeError) -> bool:
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(w in said for w in ("not enough memory", "out of memory", "ALLOC_FAILED"))
