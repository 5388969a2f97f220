"""Trains the finder, then the pose network: `python -m stages.detector.train --cache CACHE --out FOLDER`.

It can be stopped and started again: it goes on from the checkpoint in the folder. What it has learnt so far lies there as
finder.safetensors and pose.safetensors, with what was measured on held-out drawings in card.json.
"""

import argparse
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from manifests.errors import command
from manifests.skeleton import STYLES
from stages.detector.cache import Drawings, label_of, load_drawings
from stages.detector.decoys import held_out
from stages.detector.eyes import OwnEyes, write_pose
from stages.detector.finder_net import FinderNet, boxes_of
from stages.detector.fit import Job, Pace, fit
from stages.detector.loader import crop_steps, picture_steps, plain_crops, plain_pictures
from stages.detector.losses import finder_losses, pose_losses
from stages.detector.metrics import overlap, pck
from stages.detector.pose_net import PoseNet, PoseSize, initialise, normalised
from stages.detector.weights import FINDER, POSE, start_from, write_half
from stages.tensorfile import write_atomically

VERSIONS = {"finder": 2, "pose": 2}  # change one when the same drawings would train to other weights
JUDGED = 300  # held-out drawings that are looked at while training
_LOOK = 50  # of them at a time
_DECOYS = 150  # held-out pictures of nobody, beside them

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Amount:
    """Drawings shown in all, drawings a step, and the highest learning rate."""

    samples: int
    batch: int
    rate: float


PROFILES = {
    "cpu": {"finder": Amount(150_000, 50, 2e-3), "pose": Amount(250_000, 32, 1e-3)},
    "gpu": {"finder": Amount(600_000, 128, 2e-3), "pose": Amount(4_000_000, 128, 1e-3)},
}


def finder_job(train: Drawings, held: Drawings, out: Path, amount: Amount, seed: int, device: str, net: FinderNet) -> Job:
    """The finder and how it is judged."""

    def publish(made: nn.Module, words: dict) -> None:
        write_half(out / FINDER, made, words)
        note(out, "finder", words)

    def judge(made: Any) -> dict[str, float]:
        return judge_finder(made, held, device)

    steps = picture_steps(train, amount.batch, seed)
    return Job("finder", net, steps, finder_losses, judge, publish, -(-amount.samples // amount.batch), amount.rate)


def pose_job(train: Drawings, held: Drawings, out: Path, amount: Amount, seed: int, device: str, net: PoseNet) -> Job:
    """The pose network and how it is judged."""

    def publish(made: Any, words: dict) -> None:
        write_pose(out / POSE, made, words)
        note(out, "pose", words)

    def judge(made: Any) -> dict[str, float]:
        return judge_pose(made, held, device)

    steps = crop_steps(train, amount.batch, seed)
    return Job("pose", net, steps, pose_losses, judge, publish, -(-amount.samples // amount.batch), amount.rate)


@torch.inference_mode()
def judge_finder(net: FinderNet, held: Drawings, device: str) -> dict[str, float]:
    """Median overlap of the boxes, share of right styles, share of figures and of decoys that are called what they are."""
    shares, right, there = [], [], []
    for batch in plain_pictures(held, _LOOK):
        found = net(normalised(batch.images.to(device)))
        shares.append(torch.from_numpy(overlap(boxes_of(found.edges).cpu().numpy(), batch.boxes.numpy())))
        right.append(found.styles.argmax(-1).cpu() == batch.styles)
        there.append(found.there.cpu() > 0)
    decoys = net(normalised(torch.from_numpy(np.stack(held_out(_DECOYS))).to(device))).there.cpu() <= 0
    named = {"style_accuracy": right, "figures_there": there, "decoys_refused": [decoys]}
    return {"box_iou": torch.cat(shares).median().item()} | {name: torch.cat(all_).float().mean().item() for name, all_ in named.items()}


@torch.inference_mode()
def judge_pose(net: PoseNet, held: Drawings, device: str) -> dict[str, float]:
    """PCK of visible and of all joints in the picture, and share of right visibilities, in crops of the true boxes."""
    eyes, parts = OwnEyes(net), []
    for batch in plain_crops(held, _LOOK):
        reading = eyes.read(batch.images.to(device), flip=False)
        parts.append((reading.joints.cpu(), batch.joints, batch.visibility, reading.visibility.argmax(-1).cpu() == batch.visibility))
    found, true, visibility, right = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return {"pck": pck(found, true, visibility), "pck_inside": pck(found, true, visibility, 1), "visibility": float(right.mean())}


def note(out: Path, name: str, words: dict) -> None:
    """Put what was trained and measured into card.json."""
    path = out / "card.json"
    card = json.loads(path.read_bytes()) if path.exists() else {}
    write_atomically(path, json.dumps(card | {name: words}, indent=1, sort_keys=True).encode() + b"\n")


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    train, held = oftener(load_drawings(args.cache, "train", args.drawings), args.often), load_drawings(args.cache, "val", JUDGED)
    pace = Pace(args.device, args.workers, None, half=not args.full)
    base = {"seed": args.seed, "drawings": len(train), "cache": label_of(args.cache)}
    base |= {"often": args.often} if args.often else {}
    for name in ("finder", "pose") if args.only is None else (args.only,):
        amount, minutes = _amount(args, name)
        common = (train, held, args.out, amount, args.seed, args.device)
        if name == "finder":
            job = finder_job(*common, _new(FinderNet(), args, FINDER))
        else:
            job = pose_job(*common, _new(PoseNet(PoseSize(layers=args.layers)), args, POSE))
        identity = base | {"version": VERSIONS[name], "amount": asdict(amount)} | _origin(args, name)
        if not fit(job, args.out, identity, replace(pace, minutes=minutes)):
            print(f"{name}: stopped; the same command goes on from {args.out}")
            return


def oftener(drawings: Drawings, styles: list[str]) -> Drawings:
    """The drawings, with those of these styles twice among them: what is hard to read is shown twice as often."""
    again = np.flatnonzero(np.isin(drawings.styles, [STYLES.index(style) for style in styles]))
    return drawings.only(np.concatenate([np.arange(len(drawings)), again]))


def _new(net: Net, args: argparse.Namespace, file: str) -> Net:
    """The network with random weights, or with those of a file to go on from."""
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    initialise(net, args.seed)
    if args.start is not None:
        start_from(net, args.start / file)
    return net


def _origin(args: argparse.Namespace, name: str) -> dict:
    """The pose network's measures, and the digest of what a network starts from."""
    words = {"size": json.loads(json.dumps(asdict(PoseSize(layers=args.layers))))} if name == "pose" else {}
    if args.start is None:
        return words
    file = args.start / (POSE if name == "pose" else FINDER)
    return words | {"start": hashlib.sha256(file.read_bytes()).hexdigest()[:16]}


def _amount(args: argparse.Namespace, name: str) -> tuple[Amount, float | None]:
    """The profile's amount, or what was asked for; minutes, if they limit it."""
    amount = PROFILES[args.profile][name]
    samples = args.samples if name == "pose" else args.finder_samples
    amount = amount if samples is None else Amount(samples, amount.batch, amount.rate)
    return amount, args.minutes if name == "pose" else args.finder_minutes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="drawings of stages.detector.drawings, splits train and val")
    parser.add_argument("--out", type=Path, required=True, help="folder of weights, checkpoints and logs")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="cpu")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--drawings", type=int, help="at most so many of the cache's; default: all")
    parser.add_argument("--often", choices=STYLES, nargs="*", default=[], help="styles that are shown twice as often as the others")
    parser.add_argument("--only", choices=("finder", "pose"), help="train one of the two; default: both")
    parser.add_argument("--samples", type=int, help="drawings shown to the pose network")
    parser.add_argument("--minutes", type=float, help="the pose network's schedule ends by then")
    parser.add_argument("--finder-samples", type=int, help="drawings shown to the finder")
    parser.add_argument("--finder-minutes", type=float, help="the finder's schedule ends by then")
    parser.add_argument("--layers", type=int, default=PoseSize().layers, help="of the pose network's transformer")
    parser.add_argument("--start", type=Path, help="folder of weights to go on from")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1, help="processes that make batches")
    parser.add_argument("--full", action="store_true", help="single precision throughout, in place of bfloat16")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    command(main)
