"""Trains the finder, then the pose network: `python -m stages.detector.train --library LIBRARY --out FOLDER`.

It can be stopped and started again: it goes on from the checkpoints in FOLDER/finder and FOLDER/pose, where TensorBoard files tell how
far it has come. What it has learnt lies in FOLDER as finder.safetensors and pose.safetensors, with what was measured on held-out
drawings in card.json.
"""

import argparse
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from manifests.errors import UserError, command
from manifests.skeleton import STYLES
from stages.detector.drawings import Drawings, load_drawings
from stages.detector.finder_net import FinderNet
from stages.detector.job import KINDS, PROFILES, Amount, NetJob, Setting
from stages.detector.pose_net import PoseNet, PoseSize, initialise
from stages.detector.weights import start_from
from stages.library.chunks import label_of
from stages.loop import train_job

JUDGED = 300  # held-out drawings that are looked at while training


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    train, held = oftener(load_drawings(args.library, "train", args.drawings), args.often), load_drawings(args.library, "val", JUDGED)
    setting = Setting(args.out, train, held, args.seed, args.device, not args.full)
    origin = {"drawings": len(train), "drawn_by": label_of(args.library)} | ({"often": args.often} if args.often else {})
    for name in KINDS if args.only is None else (args.only,):
        net = _new(FinderNet() if name == "finder" else PoseNet(PoseSize(layers=args.layers)), args, KINDS[name].file)
        train_job(NetJob(name, net, setting, _amount(args, name), origin | _origin(args, name)), args.out / name, args.workers)


def oftener(drawings: Drawings, styles: list[str]) -> Drawings:
    """The drawings, with those of these styles twice among them: what is hard to read is shown twice as often."""
    again = np.flatnonzero(np.isin(drawings.styles, [STYLES.index(style) for style in styles]))
    return drawings.only(np.concatenate([np.arange(len(drawings)), again]))


def _new(net: nn.Module, args: argparse.Namespace, file: str) -> nn.Module:
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
    return words | {"start": hashlib.sha256((args.start / KINDS[name].file).read_bytes()).hexdigest()[:16]}


def _amount(args: argparse.Namespace, name: str) -> Amount:
    """The profile's amount, or what was asked for."""
    samples = args.samples if name == "pose" else args.finder_samples
    return replace(PROFILES[args.profile][name], **({"samples": samples} if samples else {}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="drawings of stages.library.draw, splits train and val")
    parser.add_argument("--out", type=Path, required=True, help="folder of weights, checkpoints and logs")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="cpu")
    parser.add_argument("--device", help="default: that of the profile, the CPU or a GPU")
    parser.add_argument("--drawings", type=int, help="at most so many of the library's; default: all")
    parser.add_argument("--often", choices=STYLES, nargs="*", default=[], help="styles that are shown twice as often as the others")
    parser.add_argument("--only", choices=("finder", "pose"), help="train one of the two; default: both")
    parser.add_argument("--samples", type=int, help="drawings shown to the pose network")
    parser.add_argument("--finder-samples", type=int, help="drawings shown to the finder")
    parser.add_argument("--layers", type=int, default=PoseSize().layers, help="of the pose network's transformer")
    parser.add_argument("--start", type=Path, help="folder of weights to go on from")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, help="processes that make batches; default: 1, of the profile gpu 12")
    parser.add_argument("--full", action="store_true", help="single precision throughout, in place of bfloat16")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.device = args.device or {"cpu": "cpu", "gpu": "cuda"}[args.profile]
    args.workers = {"cpu": 1, "gpu": 12}[args.profile] if args.workers is None else args.workers
    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--profile gpu: torch finds no GPU here; --device cpu trains on the CPU")
    return args


if __name__ == "__main__":
    command(main)
