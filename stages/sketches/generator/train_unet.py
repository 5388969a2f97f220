"""STAGE=unet: U-Net, ControlNet and text encoder learn to remove noise from latents, given the maps and the prompt."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d
from torch.utils.data import Dataset

from manifests.randomness import generator
from manifests.sample import prompt_of
from stages.epochs import rows_of_step
from stages.sketches.generator.build import parameters, save_folder
from stages.sketches.generator.conditions import shares
from stages.sketches.generator.config import Profile, UnetStretch
from stages.sketches.generator.job import PictureJob, course_of
from stages.sketches.generator.latents import digest_of
from stages.sketches.generator.library import Entry, Library
from stages.sketches.generator.pictures import sheet
from stages.sketches.generator.sampler import Order, Painter
from stages.tensorfile import write_tensors

VERSION = 3  # change it when the same drawings would train to other weights
PARTS = ("unet", "controlnet", "text_encoder")
EARLY = "early.safetensors"  # what the parts that learn had learned after one step in so many
_EARLY = 6
_SHOWN, _GRID_STEPS = 2, 20


class UnetJob(PictureJob):
    """Trains some parts of a pipeline, all others frozen; publishes it as the folder `<folder>/model`."""

    name = "unet"
    config: UnetStretch

    def __init__(self, profile: Profile, pipeline: Any, train: Library, held: Library, latents: np.ndarray, parts: tuple[str, ...] = PARTS):
        self.profile, self.config, self.pipeline, self.parts = profile, profile.unet, pipeline, parts
        self.train, self.held, self.latents = train, held, latents
        self.course = replace(course_of(self.config), keep_at=-(-self.config.steps // _EARLY))
        self.device, self.dtype = torch.device(profile.device), getattr(torch, profile.dtype)
        for name in ("vae", *PARTS):
            getattr(pipeline, name).to(self.device).requires_grad_(name in parts)
        if self.device.type == "cpu":
            for name in ("unet", "controlnet"):  # of few tokens: faster to train there than the fused attention
                getattr(pipeline, name).set_attn_processor(AttnProcessor())
        # Convolutions on whole pictures, half of a step on a CPU otherwise; the others' few cells gain nothing by it.
        pipeline.controlnet.controlnet_cond_embedding.to(memory_format=torch.channels_last)
        # Of its own: others' schedulers keep what they draw with in the same place as what they noise with, or noise in another way.
        self.scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
        self.alphas = self.scheduler.alphas_cumprod.to(self.device)
        self.identity = {
            "version": VERSION, "seed": profile.seed, "library": train.digest(), "dtype": profile.dtype, "parts": list(parts),
            "start": {name: digest_of(getattr(pipeline, name)) for name in ("vae", *PARTS)}, "config": self.config.decisive(),
        }  # fmt: skip

    def net(self) -> nn.Module:
        """The parts that learn."""
        return nn.ModuleDict(self._learning())

    def _learning(self) -> dict[str, nn.Module]:
        return {name: getattr(self.pipeline, name) for name in self.parts}

    def batches(self) -> Dataset:
        """Latents with their conditions and prompts, every one once before any comes again."""
        channels = self.pipeline.controlnet.config.conditioning_channels
        return Prompted(self.train, self.latents, self.pipeline.tokenizer, self.config, self.profile.seed, channels)

    def terms(self, batch: dict[str, Any], step: int, noise: torch.Generator) -> dict[str, Tensor]:
        """Squared error of what the scheduler wants predicted, weighted by min-SNR, and where the figure is."""
        latents = batch["latents"].float()
        drawn = torch.randn(latents.shape, generator=noise).to(self.device)
        times = evenly(len(latents), self.scheduler.config.num_train_timesteps, noise).to(self.device)
        noisy = self.scheduler.add_noise(latents, drawn, times)
        made = self.denoise(self.pipeline, noisy, times, self.words(batch["tokens"]), shares(batch["conditions"]))
        return {"noise": (self._error(made, self._target(latents, drawn, times), batch) * self._weight(times)).mean()}

    def _error(self, made: Tensor, wanted: Tensor, batch: dict[str, Any]) -> Tensor:
        """Mean square (B,) of what is wrong, in which the figure's cells weigh more."""
        where = 1 + self.config.figure * batch["figure"].float()
        return ((made.float() - wanted).square().mean(1) * where).sum((1, 2)) / where.sum((1, 2))

    def words(self, tokens: Tensor) -> Tensor:
        """Embeddings (B, T, D) of prompts."""
        return self.pipeline.text_encoder(tokens)[0]

    @staticmethod
    def denoise(pipeline: Any, noisy: Tensor, times: Tensor, words: Tensor, conditions: Tensor) -> Tensor:
        """One pass of ControlNet and U-Net."""
        down, middle = pipeline.controlnet(noisy, times, words, conditions, return_dict=False)
        return pipeline.unet(
            noisy, times, words, down_block_additional_residuals=down, mid_block_additional_residual=middle, return_dict=False
        )[0]

    def _target(self, latents: Tensor, drawn: Tensor, times: Tensor) -> Tensor:
        kind = self.scheduler.config.prediction_type
        if kind == "v_prediction":
            return self.scheduler.get_velocity(latents, drawn, times)
        return drawn if kind == "epsilon" else latents

    def _weight(self, times: Tensor) -> Tensor:
        """Min-SNR weights (B,) of the kind of prediction; where noise prevails never below the floor: the first of few steps starts at
        pure noise."""
        if not self.config.snr_gamma:
            return torch.ones_like(times, dtype=torch.float32)
        alphas = self.alphas[times].float()
        snr = alphas / (1 - alphas)
        capped = snr.clamp(max=self.config.snr_gamma)
        per = {"v_prediction": snr + 1, "epsilon": snr.clamp(min=1e-8), "sample": torch.ones_like(snr)}
        weights = capped / per[self.scheduler.config.prediction_type]
        return torch.where(snr < self.config.snr_gamma, weights.clamp(min=self.config.floor), weights)

    def keep(self, folder: Path) -> None:
        """For the distillation, which leads away from it."""
        known = {name: value.half() for name, value in self.net().state_dict().items()}
        write_tensors(folder / EARLY, known, {"step": self.course.keep_at})

    def grid(self) -> np.ndarray:
        """Held-out drawings: pose map, drawing, then ours with both maps and with the skeleton alone."""
        entries = [self.held[i] for i in self.held.spread(_SHOWN)]
        rows = [[e.pose for e in entries], [e.picture for e in entries]]
        for with_parts in (True, False):
            rows.append(self._painter().paint([self._order(e, i, with_parts) for i, e in enumerate(entries)]))
        return sheet(rows)

    def _painter(self) -> Painter:
        return Painter(self.pipeline, steps=_GRID_STEPS, guidance=self.notes_of_model()["guidance"], batch=4)

    def _order(self, entry: Entry, seed: int, with_parts: bool) -> Order:
        channels = self.pipeline.controlnet.config.conditioning_channels
        return Order(prompt_of(entry.style, entry.appearance, entry.motion), entry.condition(with_parts, channels), seed)

    def publish(self, folder: Path) -> dict:
        """The whole pipeline in half precision."""
        save_folder(self.pipeline, folder / "model", self.notes_of_model())
        return {}

    def notes_of_model(self) -> dict:
        """How pictures are drawn with the model."""
        return {"size": self.profile.networks.size, "steps": 50, "guidance": 2.0}

    def notes(self) -> str:
        """Size of the training set and of the networks."""
        sizes = ", ".join(f"{name} {parameters(net) / 1e6:.2f} M" for name, net in self._learning().items())
        return f"{len(self.train)} drawings, {sizes}"


class Prompted(Dataset):
    """Item i is the batch of step i: latents (B, C, h, w), conditions (B, 6, H, W) uint8, tokens (B, T); figure (B, h, w) bool: the
    cells that the maps touch, with the part map although a condition may lack it: what is to be drawn there is the same."""

    def __init__(self, library: Library, latents: np.ndarray, tokenizer: Any, config: UnetStretch, seed: int, channels: int):
        self.library, self.latents, self.tokenizer = library, latents, tokenizer
        self.config, self.seed, self.channels = config, seed, channels

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        rng = generator(self.seed, f"step-{step}", "generator-unet")
        rows = rows_of_step(len(self.library), self.config.batch, step, self.seed, "generator")
        entries = [self.library[row] for row in rows]
        conditions = [e.condition(rng.random() >= self.config.drop_parts, self.channels) for e in entries]
        figures = torch.from_numpy(np.stack([e.pose.any(-1) | e.parts.any(-1) for e in entries]))
        prompts = [self._prompt(e, rng.random()) for e in entries]
        return {
            "latents": torch.from_numpy(self.latents[rows]),
            "conditions": torch.from_numpy(np.stack(conditions)),
            "tokens": tokens_of(self.tokenizer, prompts),
            "figure": adaptive_max_pool2d(figures.float(), self.latents.shape[-2:]) > 0,
        }

    def _prompt(self, entry: Entry, draw: float) -> str:
        """The whole prompt, the style alone, or nothing."""
        if draw < self.config.drop_text:
            return ""
        if draw < self.config.drop_text + self.config.drop_looks:
            return prompt_of(entry.style, "", "")
        return prompt_of(entry.style, entry.appearance, entry.motion)


def evenly(count: int, times: int, draws: torch.Generator) -> Tensor:
    """Times (count,), one at random from each part of all of them: a batch knows every degree of noise."""
    return ((torch.arange(count) + torch.rand(count, generator=draws)) / count * times).long().clamp(max=times - 1)


def tokens_of(tokenizer: Any, prompts: list[str]) -> Tensor:
    """Token ids (B, T) as the diffusers pipelines make them."""
    options = {"padding": "max_length", "max_length": tokenizer.model_max_length, "truncation": True, "return_tensors": "pt"}
    return tokenizer(prompts, **options).input_ids
