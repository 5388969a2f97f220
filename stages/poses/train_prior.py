"""Trains the pose prior: `python -m stages.poses.train_prior out.safetensors --source bvh:folder --source deepmimic:folder`."""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save as packed
from torch import Tensor, nn

from manifests.errors import UserError, command
from manifests.skeleton import SMPL_PARENTS
from stages.body.model import load_body
from stages.poses.prior import JOINTS, LATENT, SLOPE, features
from stages.poses.prior_data import draw_archetypes, load_frames
from stages.poses.widen import JOINTS_GIVEN
from stages.wholefile import write_atomically

WIDTH, KINDS = 256, 24
_KL, _JOINTS_WEIGHT, _WARM = 2.5e-3, 4.0, 0.2


class Autoencoder(nn.Module):
    """6D (B, 132) to a normal distribution of latents (B, 32) and back."""

    def __init__(self, generator: torch.Generator):
        super().__init__()
        size = JOINTS * 6
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in ((size, WIDTH), (WIDTH, WIDTH), (WIDTH, 2 * LATENT)))
        self.decoder = nn.ModuleList(nn.Linear(a, b) for a, b in ((LATENT, WIDTH), (WIDTH, WIDTH), (WIDTH, size)))
        for layer in (*self.encoder, *self.decoder):
            nn.init.kaiming_uniform_(layer.weight, a=1.0, generator=generator)
            nn.init.zeros_(layer.bias)

    def encode(self, six: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, 32)."""
        mean, log_variance = _through(self.encoder, six).chunk(2, -1)
        return mean, log_variance.clamp(-12, 4)

    def decode(self, latents: Tensor) -> Tensor:
        """Rotations (B, 22, 3, 3)."""
        return rotations(_through(self.decoder, latents).view(-1, JOINTS, 6))


def rotations(six: Tensor) -> Tensor:
    """Matrices (..., 3, 3) of 6D (..., 6)."""
    x = nn.functional.normalize(six[..., :3], dim=-1)
    y = nn.functional.normalize(six[..., 3:] - (x * six[..., 3:]).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def joints_of(turns: Tensor, rest: Tensor) -> Tensor:
    """Joints (B, 22, 3) in metres against the pelvis."""
    world, places = [turns[:, 0]], [torch.zeros_like(turns[:, 0, :, 0])]
    for joint in range(1, JOINTS):
        parent = SMPL_PARENTS[joint]
        places.append(places[parent] + world[parent] @ (rest[joint] - rest[parent]))
        world.append(world[parent] @ turns[:, joint])
    return torch.stack(places, 1)


def train(six: np.ndarray, shown: np.ndarray, steps: int, seed: int, batch: int = 256) -> Autoencoder:
    """The autoencoder after `steps`; six (N, 132), shown (N,) how often each."""
    generator = torch.Generator().manual_seed(seed)
    model, data = Autoencoder(generator), torch.from_numpy(six).float()
    weights, rest = torch.from_numpy(shown), torch.from_numpy(load_body().rest_points(np.zeros(10))[:JOINTS]).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for step in range(steps):
        rows = _recombined(data[torch.multinomial(weights, batch, replacement=True, generator=generator)], generator)
        loss = _loss(model, rows, rest, _KL * min(1.0, step / (_WARM * steps)), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def _loss(model: Autoencoder, rows: Tensor, rest: Tensor, kl_weight: float, generator: torch.Generator) -> Tensor:
    mean, log_variance = model.encode(rows)
    noise = torch.randn(mean.shape, generator=generator)
    made, true = model.decode(mean + noise * (log_variance / 2).exp()), rotations(rows.view(-1, JOINTS, 6))
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1).mean()
    apart = (joints_of(made, rest) - joints_of(true, rest)).norm(dim=-1).mean()
    return ((made - true) ** 2).sum((-1, -2)).mean() + _JOINTS_WEIGHT * apart + kl_weight * kl


def _recombined(rows: Tensor, generator: torch.Generator) -> Tensor:
    """Rows (B, 132) of which the first third has limbs of other rows: a few clips go a longer way."""
    out = rows.clone().view(-1, JOINTS, 6)
    other, each = out[torch.randperm(len(out), generator=generator)], len(out) // (3 * len(JOINTS_GIVEN))
    for i, given in enumerate(JOINTS_GIVEN):
        part, joints = slice(i * each, (i + 1) * each), torch.from_numpy(given)
        out[part, joints] = other[part][:, joints]
    return out.view(len(rows), -1)


def save(model: Autoencoder, six: np.ndarray, shown: np.ndarray, path: Path, seed: int) -> None:
    """Half-precision weights, and where the latents of the training poses lie."""
    with torch.no_grad():
        mean, log_variance = (t.double().numpy() for t in model.encode(torch.from_numpy(six).float()))
    share, centres, factors = kinds_of_poses(mean, np.exp(log_variance), shown / shown.sum(), seed)
    latent = {"latent.share": share, "latent.mean": centres, "latent.factor": factors}
    tensors = {**model.state_dict(), **{name: torch.from_numpy(value) for name, value in latent.items()}}
    write_atomically(path, packed({name: value.half().contiguous() for name, value in tensors.items()}))


def kinds_of_poses(mean: np.ndarray, variance: np.ndarray, shown: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares (K,), means (K, 32) and roots of the covariances (K, 32, 32) of clusters of latents: standing, lying, …

    mean, variance (N, 32) of each pose's latent; shown (N,) sums to 1. Clusters by k-means, begun at draws of the data.
    """
    rng = np.random.default_rng(seed)
    centres = mean[rng.choice(len(mean), KINDS, replace=False, p=shown)]
    for _ in range(40):
        owner = ((centres**2).sum(1) - 2 * mean @ centres.T).argmin(1)
        centres = np.stack([np.average(mean[owner == k], 0, shown[owner == k]) if (owner == k).any() else centres[k] for k in range(KINDS)])
    out = []
    for k in range(KINDS):
        own, weight = owner == k, shown[owner == k]
        apart = mean[own] - centres[k]
        share = max(weight.sum(), 1e-9)
        covariance = (weight[:, None] * apart).T @ apart / share + np.diag((weight[:, None] * variance[own]).sum(0) / share + 1e-4)
        out.append((share, centres[k], np.linalg.cholesky(covariance)))
    share, centre, factor = (np.array(column) for column in zip(*out, strict=True))
    return share, centre, factor


def _through(layers: nn.ModuleList, x: Tensor) -> Tensor:
    for layer in list(layers)[:-1]:
        x = nn.functional.leaky_relu(layer(x), SLOPE)
    return layers[-1](x)


def _check(args: argparse.Namespace) -> None:
    """Refuse before a training what would end it, or lose it."""
    if args.steps < 1:
        raise UserError(f"--steps {args.steps}: expected 1 or more")
    if not 0 <= args.archetypes <= 1:
        raise UserError(f"--archetypes {args.archetypes}: expected a share from 0 to 1")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: expected 0 or more")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.out.is_dir() or not os.access(args.out.parent, os.W_OK):
        raise UserError(f"{args.out}: cannot write here; expected the path of a file")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--source", action="append", required=True, help="bvh:folder, deepmimic:folder or amass:folder")
    parser.add_argument("--rate", type=float, default=30, help="frames a second that stand for a clip")
    parser.add_argument("--archetypes", type=float, default=0.3, help="share of what is shown that the limits source draws")
    parser.add_argument("--steps", type=int, default=22_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    _check(args)
    torch.set_num_threads(1)
    frames, held = load_frames(args.source, args.rate)
    drawn = draw_archetypes(20_000 if args.archetypes else 0, args.seed)
    six = np.concatenate([features(frames.turns), features(drawn)])
    shown = np.concatenate([frames.shown * (1 - args.archetypes), np.full(len(drawn), args.archetypes / max(1, len(drawn)))])
    if np.count_nonzero(shown) < KINDS:
        raise UserError(f"{', '.join(args.source)}: {len(frames.turns)} frames to train on, expected {KINDS} at least")
    began = time.monotonic()
    model = train(six, shown, args.steps, args.seed)
    save(model, six, shown, args.out, args.seed)
    held_out = sorted(set(held.clip.tolist()))
    print(json.dumps({"seconds": round(time.monotonic() - began), "frames": len(frames.turns), "held_out": held_out}, indent=1))


if __name__ == "__main__":
    command(main)
