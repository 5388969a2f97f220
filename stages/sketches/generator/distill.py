"""STAGE=distill: a student of few steps without guidance lands where the teacher lands after several steps for each of its own, guided
where guidance helps."""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from manifests.errors import UserError
from stages.sketches.generator.conditions import shares
from stages.sketches.generator.config import Profile, UnetStretch
from stages.sketches.generator.job import course_of
from stages.sketches.generator.library import Library
from stages.sketches.generator.sampler import Painter
from stages.sketches.generator.train_unet import UnetJob, evenly, tokens_of

PARTS = ("unet", "controlnet")
_OWN = ("passes", "substeps", "guidance", "guided_below")  # what only this stage has to decide


class DistillJob(UnetJob):
    """Trains U-Net and ControlNet of a finished pipeline; its text encoder and VAE stay as they are."""

    name = "distill"

    def __init__(self, profile: Profile, pipeline: Any, train: Library, held: Library, latents: np.ndarray):
        self.plan = profile.distill
        super().__init__(profile, pipeline, train, held, latents, PARTS)
        self._check()
        as_before = {name: getattr(profile.unet, name) for name in ("drop_looks", "figure")}
        self.config = UnetStretch(drop_text=0.0, **as_before, **self.plan.model_dump(exclude=set(_OWN)))
        self.course = course_of(self.config)
        plan = self.plan.model_dump(mode="json", include=set(_OWN))
        self.identity |= {"config": self.config.decisive(), "plan": plan}
        self.teacher = Teacher(pipeline, self.plan.guidance, self.plan.guided_below, self.alphas)

    def _check(self) -> None:
        """Raises UserError where the student could not learn, or not at the times at which it will draw."""
        if self.scheduler.config.prediction_type != "v_prediction":
            raise UserError(f"STAGE=distill: the model predicts {self.scheduler.config.prediction_type}; only velocity can be distilled")
        if self.scheduler.config.num_train_timesteps % self.plan.passes:
            times = self.scheduler.config.num_train_timesteps
            raise UserError(f"distill.passes: expected a divisor of the scheduler's {times} times, got {self.plan.passes}")

    def terms(self, batch: dict[str, Any], step: int, noise: torch.Generator) -> dict[str, Tensor]:
        """Squared error of the velocity that would take the student to the teacher's place in one step."""
        latents, conditions = batch["latents"].float(), shares(batch["conditions"])
        drawn = torch.randn(latents.shape, generator=noise).to(self.device)
        stride = self.scheduler.config.num_train_timesteps // self.plan.passes
        times = ((evenly(len(latents), self.plan.passes, noise) + 1) * stride - 1).to(self.device)
        noisy = self.scheduler.add_noise(latents, drawn, times)
        with torch.no_grad():
            words = self.words(batch["tokens"])
            landed = self.teacher.walk(noisy, times, stride, self.plan.substeps, words, conditions)
            wanted = velocity_to(noisy, landed, self._root(times), self._root(times - stride))
        made = self.denoise(self.pipeline, noisy, times, words, conditions)
        return {"velocity": self._error(made, wanted, batch).mean()}

    def _root(self, times: Tensor) -> Tensor:
        return root_alpha(self.alphas, times)

    def _painter(self) -> Painter:
        return Painter(self.pipeline, steps=self.plan.passes, guidance=1.0, batch=4)

    def notes_of_model(self) -> dict:
        """Few steps, no guidance."""
        return {**super().notes_of_model(), "steps": self.plan.passes, "guidance": 1.0}


class Teacher:
    """A copy of the pipeline's denoiser as it is now, with guidance, but not where noise hides even the mean colours: there it would
    only push them away from those of all drawings (arXiv 2404.07724)."""

    def __init__(self, pipeline: Any, guidance: float, below: float, alphas: Tensor):
        self.guidance, self.alphas, self.below = guidance, alphas, below * len(alphas)
        self.unet, self.controlnet = (copy.deepcopy(net).requires_grad_(False).eval() for net in (pipeline.unet, pipeline.controlnet))
        tokens = tokens_of(pipeline.tokenizer, [""]).to(pipeline.text_encoder.device)
        with torch.no_grad():
            self.blind = pipeline.text_encoder(tokens)[0]

    def walk(self, noisy: Tensor, times: Tensor, stride: int, substeps: int, words: Tensor, conditions: Tensor) -> Tensor:
        """Where noisy latents of `times` (B,) are after `stride` of the noise's time, in so many DDIM steps."""
        words = torch.cat([self.blind.expand_as(words), words])
        conditions = torch.cat([conditions] * 2)
        for k in range(substeps):
            now, then = times - stride * k // substeps, times - stride * (k + 1) // substeps
            both = UnetJob.denoise(self, torch.cat([noisy] * 2), torch.cat([now] * 2), words, conditions).float()
            blind, told = both.chunk(2)
            scale = torch.where(now < self.below, self.guidance, 1.0).view(-1, 1, 1, 1)
            noisy = ddim(noisy, blind + scale * (told - blind), root_alpha(self.alphas, now), root_alpha(self.alphas, then))
        return noisy


def root_alpha(alphas: Tensor, times: Tensor) -> Tensor:
    """Share of the signal (B, 1, 1, 1) at times (B,); before the first time there is no noise."""
    return torch.where(times < 0, torch.ones_like(alphas[0]), alphas[times.clamp(min=0)]).sqrt().view(-1, 1, 1, 1)


def ddim(noisy: Tensor, velocity: Tensor, now: Tensor, then: Tensor) -> Tensor:
    """One DDIM step from signal share `now` to `then` (B, 1, 1, 1)."""
    clean, noise = now * noisy - _other(now) * velocity, now * velocity + _other(now) * noisy
    return then * clean + _other(then) * noise


def velocity_to(noisy: Tensor, landed: Tensor, now: Tensor, then: Tensor) -> Tensor:
    """The velocity with which one DDIM step leads from `noisy` to `landed`."""
    ratio = _other(then) / _other(now)
    clean = (landed - ratio * noisy) / (then - ratio * now)
    noise = (noisy - now * clean) / _other(now)
    return now * noise - _other(now) * clean


def _other(root: Tensor) -> Tensor:
    """Share of the noise beside a share of the signal."""
    return (1 - root**2).clamp(min=0).sqrt()
