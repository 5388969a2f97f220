"""Trains the discrete pose prior: `make train-codes`. Its poses are those of a recipe's train split, so it has seen no held-out source."""

import argparse
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from estimator.footing import CODES
from estimator.mixed import set_dtype
from estimator.pose_codes import CodesSize, PoseCodes
from estimator.skeleton import Skeleton
from manifests.errors import UserError, command
from manifests.randomness import generator
from manifests.recipe_files import load_recipe
from manifests.sample import style_of
from manifests.schema import PLANNED, to_numpy
from manifests.skeleton import STYLES
from manifests.stage import Config, Context
from stages.body.model import load_body
from stages.body.rotations import angle_between, matrix_from_axis_angle
from stages.detector.weights import load_into, write_half
from stages.poses.kinematics import mirrored
from stages.poses.stage import Poses
from stages.tensorfile import read_tensors
from stages.training import State, alone_in, interruptible

VERSION = 4  # change it when the same poses would train to other weights
DEFAULT = CodesSize()
BATCH, RATE, EMA, COMMITMENT, APART = 256, 1e-3, 0.995, 0.25, 4.0
_AT_ONCE, _JUDGED, _LOG_EVERY, _SAVE_EVERY = 2000, 2000, 200, 1000


def draw_poses(recipe_name: str, count: int, split: str) -> np.ndarray:
    """The first `count` poses (N, 24, 3, 3) of a split of the recipe, bodies that pass through themselves left out."""
    recipe = load_recipe(recipe_name)
    stage = Poses(Config(recipe, Poses.config))
    stage.setup("cpu")
    ctx = Context.alone(recipe.seed, stage.name)
    parts: list[np.ndarray] = []
    for ids in _ids():
        table = stage.process(pa.table([ids, [style_of(i) for i in ids]], schema=PLANNED), ctx)
        good = [i for i, row in enumerate(zip(table["split"].to_pylist(), table["reason"].to_pylist(), strict=True)) if row == (split, "")]
        parts.append(matrix_from_axis_angle(to_numpy(table, "pose_world")[good]).astype(np.float32))
        if sum(map(len, parts)) >= count:
            return np.concatenate(parts)[:count]
    raise UserError(f"{recipe_name}: its {split} split has fewer than {count} poses; ask for fewer, or raise split.val")


def _ids() -> Iterator[list[str]]:
    """Sample ids, style after style, as long as ids have six digits."""
    for style in STYLES:
        for first in range(0, 1_000_000, _AT_ONCE):
            yield [f"{style}-{i:06d}" for i in range(first, first + _AT_ONCE)]


def train_codes(
    poses: np.ndarray, held: np.ndarray, out: Path, steps: int, seed: int, size: CodesSize = DEFAULT, dtype: str = "float32"
) -> dict[str, float]:
    """Train on poses (N, 24, 3, 3), in arithmetic of `dtype`, and write codes.safetensors to `out`; what is lost of the held-out ones.
    It can be stopped."""
    identity = {"version": VERSION, "seed": seed, "steps": steps, "poses": len(poses), "size": asdict(size), "dtype": dtype}
    identity["poses_sha256"] = hashlib.sha256(np.ascontiguousarray(poses).tobytes()).hexdigest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = PoseCodes(size)
    set_dtype(net, getattr(torch, dtype))
    state, skeleton = State(net, out / "codes.checkpoint.safetensors", identity, EMA), Skeleton(load_body())
    known = torch.from_numpy(np.concatenate([poses, mirrored(poses)])[:, 1:].astype(np.float32))
    with alone_in(out), interruptible():
        for step in range(state.resume().get("step", 0), steps):
            loss = _step(state, skeleton, known, step, steps, seed)
            if (step + 1) % _SAVE_EVERY == 0:
                state.save(step + 1)
            if (step + 1) % _LOG_EVERY == 0:
                print(f"codes {step + 1}/{steps}  loss {loss:.4f}", flush=True)
    set_dtype(net, torch.float32)
    with state.averaged():
        figures = judge(net, skeleton, torch.from_numpy(held[:, 1:].astype(np.float32)))
        write_half(out / CODES.name, net, {**identity, "held_out": figures})
    state.path.unlink(missing_ok=True)
    return figures


def load_codes(path: Path) -> PoseCodes:
    """The prior of a file that train_codes wrote, frozen. Raises UserError for any other file."""
    tensors, words = read_tensors(path)
    try:
        net = PoseCodes(CodesSize(**words["size"]))
    except (KeyError, TypeError, ValueError) as e:
        raise UserError(f"{path}: its header does not describe a discrete pose prior ({e})") from None
    load_into(net, tensors, path)
    return net


@torch.inference_mode()
def judge(net: PoseCodes, skeleton: Skeleton, held: Tensor) -> dict[str, float]:
    """Of poses (N, 23, 3, 3) written in codes and read again: mean distance of joints in mm, mean angle in degrees, codes in use."""
    coded = net(held)
    apart = (posed(skeleton, coded.pose) - posed(skeleton, held)).norm(dim=-1).mean()
    angle = np.degrees(angle_between(coded.pose.numpy(), held.numpy())).mean()
    return {"joints_mm": 1000 * apart.item(), "degrees": float(angle), "codes_used": float(coded.codes.unique().numel())}


def _step(state: State, skeleton: Skeleton, known: Tensor, step: int, steps: int, seed: int) -> float:
    rng = generator(seed, f"step-{step}", "pose-codes")
    net: Any = state.net
    pose = known[torch.from_numpy(rng.integers(len(known), size=BATCH))]
    coded = net(pose)
    apart = (posed(skeleton, coded.pose) - posed(skeleton, pose)).norm(dim=-1).mean()
    loss = (coded.pose - pose).abs().mean() + APART * apart + COMMITMENT * coded.commitment
    warm, fall = min(1.0, (step + 1) / 100), 0.5 * (1 + np.cos(np.pi * step / steps))
    state.update(loss, step, RATE * warm * float(fall))
    net.follow(coded.said, coded.codes, torch.Generator().manual_seed(int(rng.integers(2**62))))
    return loss.item()


def posed(skeleton: Skeleton, pose: Tensor) -> Tensor:
    """The sixteen joints (B, 16, 3) m of body poses (B, 23, 3, 3) that stand upright."""
    root = torch.eye(3).expand(len(pose), 1, 3, 3)
    return skeleton(torch.cat([root, pose], 1), pose.new_zeros(len(pose), 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--poses", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="bfloat16: fast where `skep doctor` says so")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train, held = draw_poses(args.recipe, args.poses, "train"), draw_poses(args.recipe, _JUDGED, "val")
    figures = train_codes(train, held, args.out, args.steps, args.seed, dtype=args.dtype)
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    command(main)
