"""STAGE=distill: a student of few steps without guidance lands where its guided teacher lands after several steps for each of its own."""

import copy
from pathlib import Path
from types import SimpleNamespace
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
from stages.sketches.generator.train_unet import PARTS, UnetJob, evenly
from stages.tensorfile import below, read_tensors, weights_digest

_LEARNS = ("unet", "controlnet")
_OWN = ("passes", "substeps", "guidance")  # what only this stage has to decide


class DistillJob(UnetJob):
    """Trains U-Net and ControlNet of a finished pipeline; its text encoder and VAE stay as they are."""

    name = "distill"

    def __init__(self, profile: Profile, pipeline: Any, train: Library, held: Library, latents: np.ndarray, early: Path):
        self.plan = profile.distill
        super().__init__(profile, pipeline, train, held, latents, _LEARNS)
        self._check()
        as_before = {name: getattr(profile.unet, name) for name in ("drop_looks", "figure")}
        self.config = UnetStretch(drop_text=0.0, **as_before, **self.plan.model_dump(exclude=set(_OWN)))
        self.course = course_of(self.config)
        plan = self.plan.model_dump(mode="json", include=set(_OWN))
        self.teacher = Teacher(pipeline, read_tensors(early)[0], self.plan.guidance, self.alphas)
        self.identity |= {"config": self.config.decisive(), "plan": plan, "early": weights_digest(early)}

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
            landed = self.teacher.walk(noisy, times, stride, self.plan.substeps, batch["tokens"], conditions)
            wanted = velocity_to(noisy, landed, self._root(times), self._root(times - stride))
            words = self.words(batch["tokens"])
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
    """Copies of the pipeline's denoiser as it is now and as it was early in its training. It leads away from the latter: what the one gets
    wrong, the other got more wrong (autoguidance, arXiv 2406.02507)."""

    def __init__(self, pipeline: Any, early: dict[str, Tensor], guidance: float, alphas: Tensor):
        self.guidance, self.alphas = guidance, alphas
        self.now, self.early = _copied(pipeline), _copied(pipeline)
        for name in PARTS:
            if known := below(name, early):
                getattr(self.early, name).load_state_dict(known)

    def walk(self, noisy: Tensor, times: Tensor, stride: int, substeps: int, tokens: Tensor, conditions: Tensor) -> Tensor:
        """Where noisy latents of `times` (B,) are after `stride` of the noise's time, in so many DDIM steps."""
        both = [(nets, nets.text_encoder(tokens)[0]) for nets in (self.now, self.early)]
        for k in range(substeps):
            now, then = times - stride * k // substeps, times - stride * (k + 1) // substeps
            told, early = (UnetJob.denoise(nets, noisy, now, words, conditions).float() for nets, words in both)
            noisy = ddim(noisy, early + self.guidance * (told - early), root_alpha(self.alphas, now), root_alpha(self.alphas, then))
        return noisy


def _copied(pipeline: Any) -> SimpleNamespace:
    nets = {name: copy.deepcopy(getattr(pipeline, name)).requires_grad_(False).eval() for name in PARTS}
    return SimpleNamespace(**nets)


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
