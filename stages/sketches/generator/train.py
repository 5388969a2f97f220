"""Trains the generator: `make train-generator PROFILE=cpu STAGE=vae`. Stopped at any time, the same command goes on.

The stages in order: vae, unet, distill; without STAGE, all of them, of a model to fine-tune unet alone. OUT then holds the library of
drawings, unless --library names another, for each stage its checkpoint, grids of samples and TensorBoard files, and the model:
OUT/unet/model (many steps), OUT/distill/model (few).
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL

from manifests.errors import UserError, command
from manifests.skeleton import STYLE_TEXTS
from stages.library import draw
from stages.library.chunks import chunks_of, label_of
from stages.library.studio import recipe_of, side_of
from stages.loop import Log, finished, train_job
from stages.quiet import hush
from stages.sketches.generator.build import build_pipeline, open_controlnet
from stages.sketches.generator.config import Profile, load_profile, profile_names
from stages.sketches.generator.distill import DistillJob
from stages.sketches.generator.folder import open_pipeline, open_plain, read_index
from stages.sketches.generator.latents import encode_library
from stages.sketches.generator.library import Library
from stages.sketches.generator.real import add_real, parsed
from stages.sketches.generator.source import Source
from stages.sketches.generator.train_unet import EARLY, PARTS, UnetJob
from stages.sketches.generator.train_vae import VaeJob
from stages.sketches.generator.words import phrases

STAGES = ("vae", "unet", "distill")
_AFTER = {"unet": "vae", "distill": "unet"}
_CONDITION_OF_OTHERS = (16, 32, 96, 256)  # widths of the path of a ControlNet that is given to a model of others


class Training:
    """A folder in which a profile is trained. start: a Stable Diffusion folder to fine-tune in place of ours; drawings: the folder of
    the library, default OUT/library."""

    def __init__(self, out: Path, profile: Profile, start: Path | None = None, log: Log = print, drawings: Path | None = None):
        hush()
        self.out, self.profile, self.start, self.log = out, profile, start, log
        self.drawings = drawings or out / "library"
        self.dtype = getattr(torch, profile.dtype)
        self.real: list[Path] = []  # chunks of real drawings

    def check(self, stage: str) -> None:
        """Refuse a stage that cannot begin. Cheap: to be asked before drawings are made for it."""
        if self.start and stage == "vae":
            raise UserError("STAGE=vae: a model that is fine-tuned keeps its VAE; start with STAGE=unet")
        if self.start and stage == "unet":
            self._kind_of_start()
        elif (before := _AFTER.get(stage)) and finished(self.out / before) is None:
            raise UserError(f"{self.out / before}: not finished; run STAGE={before} first")
        elif stage == "distill" and not self._early().exists():
            raise UserError(f"{self._early()}: not there, as an earlier SKEP left none; train STAGE=unet anew in another folder")

    def prepare(self, real: list[str]) -> None:
        """Take over real drawings, and draw what is lacking, which takes longer."""
        profile = self.profile
        self.real = sorted({chunk for text in real for chunk in add_real(self.out / "real", text, profile.networks.size, self.log)})
        self.drawings.mkdir(parents=True, exist_ok=True)
        recipe, wanted = recipe_of(draw.SEED, side_of(profile.networks.size)), {"train": profile.pictures, "val": profile.held}
        draw.fill(self.drawings, recipe, wanted, profile.each, profile.threads, self.log)

    def run(self, stage: str, stop_after: int | None = None) -> bool:
        """Train one stage, or what is left of it; whether it is finished."""
        self.check(stage)
        job = {"vae": self._vae_job, "unet": self._unet_job, "distill": self._distill_job}[stage]()
        return train_job(job, self.out / stage, self.profile.workers, self.log, stop_after)

    def library(self, split: str) -> Library:
        """The drawings of a split; to learn from, real ones too."""
        profile = self.profile
        paths = chunks_of(self.drawings, split, profile.held if split == "val" else profile.pictures)
        return Library(paths + (self.real if split == "train" else []), profile.networks.size, label_of(self.drawings))

    def _vae_job(self) -> VaeJob:
        return VaeJob(self.profile, self.library("train"), self.library("val"))

    def _unet_job(self) -> UnetJob:
        library = self.library("train")
        pipeline = self.started() if self.start else self._built(library)
        parts = self.profile.unet.parts or (("controlnet",) if self.start else PARTS)
        return UnetJob(self.profile, pipeline, library, self.library("val"), self._latents(pipeline, library), parts)

    def _distill_job(self) -> DistillJob:
        library = self.library("train")
        pipeline = open_pipeline(Source(str(self.out / "unet" / "model")), None, torch.float32)
        return DistillJob(self.profile, pipeline, library, self.library("val"), self._latents(pipeline, library), self._early())

    def _early(self) -> Path:
        return self.out / "unet" / EARLY

    def _built(self, library: Library) -> Any:
        """Our own model with the VAE of STAGE=vae and all else new."""
        captions = [*STYLE_TEXTS.values(), *phrases(), *library.captions()]
        pipeline = build_pipeline(self.profile.networks, captions, self.profile.seed)
        pipeline.register_modules(vae=AutoencoderKL.from_pretrained(self.out / "vae" / "vae", use_safetensors=True, local_files_only=True))
        return pipeline

    def started(self) -> Any:
        """A model of others; where it has no ControlNet, with a new one for six channels."""
        source = Source(str(self.start))
        if self._kind_of_start() == "StableDiffusionPipeline":
            return _with_controlnet(source, self.profile.seed)
        return open_pipeline(source, None, torch.float32)

    def _kind_of_start(self) -> str:
        kind = str(read_index(Source(str(self.start))).get("_class_name"))
        if "XL" in kind:
            raise UserError(f"{self.start}: is a {kind}; SD 1.x folders can be fine-tuned")
        return kind

    def _latents(self, pipeline: Any, library: Library):
        vae = pipeline.vae.to(self.profile.device).eval().requires_grad_(False)
        return encode_library(vae, library, self.out / "latents", self.dtype, self.log)


def _with_controlnet(source: Source, seed: int) -> Any:
    from diffusers import StableDiffusionControlNetPipeline

    plain = open_plain(source)
    levels = len(plain.vae.config.block_out_channels)
    widths = (*_CONDITION_OF_OTHERS[: levels - 1], _CONDITION_OF_OTHERS[-1])
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)  # a training that is stopped begins anew from the same
        controlnet = open_controlnet(plain.unet, widths, scale=0)
    return StableDiffusionControlNetPipeline(**plain.components | {"controlnet": controlnet}, requires_safety_checker=False)


def main() -> None:
    args = _arguments()
    profile = load_profile(args.profile, args.set)
    torch.set_num_threads(profile.threads)
    training = Training(args.out, profile, args.start, drawings=args.library)
    every = ("unet",) if args.start else STAGES
    stages = every if args.stage is None else (args.stage,) if args.stage != "drawings" else ()
    _refuse_early(training, stages, args.drawings)
    training.prepare(args.drawings)
    for stage in stages:
        training.run(stage)


def _refuse_early(training: Training, stages: tuple[str, ...], real: list[str]) -> None:
    """What would be refused after hours of drawing is refused before them."""
    if stages and training.profile.device != "cpu" and not torch.cuda.is_available():
        raise UserError("device: torch finds no GPU here; --set device=cpu trains on the CPU")
    for stage in stages[:1]:
        training.check(stage)
    if training.start and "unet" in stages:
        training.started()
    for text in real:
        parsed(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--profile", default="cpu", help=", ".join(profile_names()))
    parser.add_argument("--stage", choices=(*STAGES, "drawings"), help="drawings: only fill the library")
    parser.add_argument("--start", type=Path, help="an SD 1.x folder to fine-tune, with or without a ControlNet")
    parser.add_argument("--library", type=Path, help="folder of drawings to learn from, filled where it lacks some; default: OUT/library")
    parser.add_argument("--drawings", action="append", default=[], help="real drawings with joints: [style:]path, a COCO json or a folder")
    parser.add_argument("--set", action="append", default=[], help="change one value of the profile: unet.batch=8")
    return parser.parse_args()


if __name__ == "__main__":
    command(main)
