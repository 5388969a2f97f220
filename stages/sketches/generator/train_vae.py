"""STAGE=vae: the autoencoder of pictures. Thin lines must survive it, and colours: both weigh more than flat paper."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, leaky_relu, relu
from torch.utils.data import Dataset

from manifests.randomness import generator
from manifests.skeleton import STYLES
from stages.epochs import rows_of_step
from stages.sketches.generator.blur import start_as_blur
from stages.sketches.generator.build import build_vae
from stages.sketches.generator.config import Profile, VaeStretch
from stages.sketches.generator.job import PictureJob, course_of
from stages.sketches.generator.library import Library
from stages.sketches.generator.lines import gradient_gap, line_f1, line_weights, psnr
from stages.sketches.generator.pictures import copies_of, sheet, to_tensor
from stages.sketches.generator.whiten import whiten

VERSION = 4  # change it when the same drawings would train to other weights
_TONE = (8, 16, 32)  # px, sides of squares
_JUDGED, _SHOWN, _AT_ONCE, _MEASURED = 20, 4, 4, 256  # pictures a style, pictures a style in the grid, in one go, for the statistics


class VaeJob(PictureJob):
    """Trains an AutoencoderKL and publishes it as `<folder>/vae`, its latents of mean 0 and deviation 1 in every channel."""

    name = "vae"
    config: VaeStretch

    def __init__(self, profile: Profile, train: Library, held: Library):
        self.profile, self.config, self.train, self.held = profile, profile.vae, train, held
        self.course, self.device, self.dtype = course_of(self.config), torch.device(profile.device), getattr(torch, profile.dtype)
        self.identity = {
            "version": VERSION, "seed": profile.seed, "library": train.digest(), "dtype": profile.dtype,
            "networks": profile.networks.model_dump(mode="json"), "config": profile.vae.decisive(),
        }  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(profile.seed)
            self.vae = build_vae(profile.networks)
            start_as_blur(self.vae)
            self.vae.to(self.device, memory_format=torch.channels_last)
            self.critic = Critic().to(self.device) if self.config.adversary else None

    def net(self) -> nn.Module:
        """The autoencoder, and the discriminator where there is one."""
        return nn.ModuleDict({"vae": self.vae} | ({"critic": self.critic} if self.critic else {}))

    def batches(self) -> Dataset:
        """Pictures, every one once before any comes again; half of them mirrored."""
        return Pictures(self.train, self.config, self.profile.seed)

    def terms(self, batch: dict[str, Any], step: int, noise: torch.Generator) -> dict[str, Tensor]:
        """L1 in which lines weigh more, gradients, mean colours, and a little KL."""
        pictures = batch["pictures"].float().contiguous(memory_format=torch.channels_last) / 127.5 - 1
        spread = self.vae.encode(pictures).latent_dist
        drawn = torch.randn(spread.mean.shape, generator=noise).to(self.device)
        copies = self.vae.decode(spread.mean + spread.std * drawn).sample.float()
        weight = 1 + self.config.lines * line_weights(pictures)
        terms = {
            "l1": ((pictures - copies).abs() * weight).mean() / weight.mean(),
            "edges": self.config.edges * gradient_gap(pictures, copies),
            "tone": self.config.tone * _tone_gap(pictures, copies),
            "kl": self.config.kl * 0.5 * (spread.mean.float() ** 2 + spread.var.float() - 1 - spread.logvar.float()).mean(),
        }
        if self.critic and step >= self.config.adversary_from * self.course.steps:
            terms |= _contest(self.critic, pictures, copies, self.config.adversary)
        return terms

    def grid(self) -> np.ndarray:
        """Held-out pictures over their copies, a column a picture."""
        chosen = self.held.spread(_SHOWN)
        true = [self.held.picture(i) for i in chosen]
        return sheet([true, copies_of(true, self.vae)])

    def publish(self, folder: Path) -> dict:
        """Line-F1 and PSNR of every style; the autoencoder."""
        measured: dict[str, float] = {}
        chosen = self.held.spread(_JUDGED)
        true = [self.held.picture(i) for i in chosen]
        copies = copies_of(true, self.vae)
        for style in STYLES:
            rows = [k for k, i in enumerate(chosen) if self.held.style(i) == style]
            if rows:
                measured[f"line_f1/{style}"] = float(np.mean([line_f1(true[k], copies[k]) for k in rows]))
                measured[f"psnr/{style}"] = float(np.mean([psnr(true[k], copies[k]) for k in rows]))
        published = build_vae(self.profile.networks)
        published.load_state_dict(self.vae.state_dict())
        whiten(published, self._statistics())
        published.half().save_pretrained(folder / "vae", safe_serialization=True)
        return measured

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation (C,) of the latents of drawings spread over the library."""
        rows = np.linspace(0, len(self.train) - 1, min(_MEASURED, len(self.train))).astype(int)
        means = []
        for first in range(0, len(rows), _AT_ONCE):
            batch = to_tensor([self.train.picture(int(i)) for i in rows[first : first + _AT_ONCE]]).to(self.device)
            means.append(self.vae.encode(batch).latent_dist.mean.float().cpu())
        latents = torch.cat(means)
        return latents.mean((0, 2, 3)), latents.std((0, 2, 3))

    def notes(self) -> str:
        """Size of the training set and of the network."""
        return f"{len(self.train)} drawings, {sum(p.numel() for p in self.vae.parameters()) / 1e6:.2f} M parameters"


class Pictures(Dataset):
    """Item i is the batch of step i: pictures (B, 3, H, W) uint8; of each a random part at first, where the training wants parts.

    A convolution learns as much from a quarter of a picture in a quarter of the time; only the norms have to see it whole.
    """

    def __init__(self, library: Library, config: VaeStretch, seed: int):
        self.library, self.config, self.seed = library, config, seed

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        rng = generator(self.seed, f"step-{step}", "generator-vae")
        rows = rows_of_step(len(self.library), self.config.batch, step, self.seed, "generator")
        whole = step >= self.config.whole_from * self.config.steps
        side = self.library.size if whole else self.config.crop or self.library.size
        pictures = [_part(self.library.picture(row), side, rng) for row in rows]
        pictures = [p[:, ::-1] if rng.random() < 0.5 else p for p in pictures]
        return {"pictures": torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())}


def _part(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    y, x = rng.integers(0, len(picture) - side + 1, 2)
    return picture[y : y + side, x : x + side]


class Critic(nn.Module):
    """A patch discriminator: one score for every 16 px patch."""

    def __init__(self, width: int = 32):
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(widths))
        self.score = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores (B, 1, H / 8, W / 8): high where a patch looks drawn."""
        for layer in self.layers:
            pictures = leaky_relu(layer(pictures), 0.2)
        return self.score(pictures)


def _tone_gap(pictures: Tensor, copies: Tensor) -> Tensor:
    """Mean square of what is wrong with the colours of larger and larger squares."""
    gap = pictures - copies
    return torch.stack([avg_pool2d(gap, side).square().mean() for side in _TONE if side <= gap.shape[-1]]).sum()


def _contest(critic: Critic, pictures: Tensor, copies: Tensor, weight: float) -> dict[str, Tensor]:
    """Hinge losses: the critic learns from detached copies; through the autoencoder's term its own weights do not learn."""
    real, fake = critic(pictures), critic(copies.detach())
    frozen = {name: p.detach() for name, p in critic.named_parameters()}
    fooled = torch.func.functional_call(critic, frozen, (copies,))
    return {"adversary": -weight * fooled.mean(), "critic": relu(1 - real).mean() + relu(1 + fake).mean()}
