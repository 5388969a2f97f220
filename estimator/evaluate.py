"""Evaluation on the held-out split: each method's errors, per style and over all, as JSON, as a table and as pictures."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from estimator import metrics, picture
from estimator.baseline import mean_pose
from estimator.data import Sketches, dataset_digest
from estimator.losses import collate
from estimator.pose2pose import Pose2Pose
from estimator.sample import Sample
from estimator.skeleton import Skeleton
from estimator.state import MODEL
from estimator.train import default_device, fixed_threads
from manifests.errors import UserError
from manifests.recipe import Estimator
from manifests.skeleton import STYLES
from stages.body.model import load_body
from stages.tensorfile import read_tensors, write_atomically

RESULT, TABLE, PICTURE = "evaluation.json", "evaluation.md", "evaluation.png"
UNITS = {"mpjpe": "mm", "pa_mpjpe": "mm", "pck": "share within 0.1 torso", "rotation": "degrees", "ms": "a sketch"}
ROWS = 2  # pictures of each style


@dataclass(frozen=True)
class Guess:
    """What a method says of N samples: pose (N, 24, 3, 3), joints3d (N, 16, 3) m, joints2d (N, 16, 2) px; seconds for all."""

    pose: np.ndarray
    joints3d: np.ndarray
    joints2d: np.ndarray
    seconds: float


def evaluate(dataset: Path, out: Path, config: Estimator, body: Path | None, log: Callable[[str], None] = print) -> dict:
    """Compare the mean pose and the model in `out` on the val split: {method: {style or all: {metric: value}}}.

    Writes evaluation.json, evaluation.md and evaluation.png to `out`, and logs the table.
    """
    sketches = Sketches(dataset, "val", config.size)
    net = load_model(out, dataset, config, Skeleton(load_body(body)))
    samples = [sketches[index] for index in range(len(sketches))]
    guesses = {
        "mean_pose": guess_mean(Sketches(dataset, "train", config.size), len(samples)),
        "pose2pose": guess_net(net, samples, config.batch),
    }
    result = {method: by_style(guess, samples) for method, guess in guesses.items()}
    text = table(result)
    write_atomically(out / RESULT, json.dumps(result, indent=1).encode() + b"\n")
    write_atomically(out / TABLE, text.encode())
    write_atomically(out / PICTURE, _picture(samples, guesses["pose2pose"]))
    log(text)
    return result


def load_model(out: Path, dataset: Path, config: Estimator, skeleton: Skeleton) -> Pose2Pose:
    """The trained network, ready to predict. Refuses one that was trained on other data, size, width or body."""
    weights, words = read_tensors(out / MODEL)
    expected = {"dataset": dataset_digest(dataset), "body": skeleton.digest(), "size": config.size, "width": config.width}
    found = {**words["config"], **words}
    if changed := [name for name, value in expected.items() if found[name] != value]:
        raise UserError(f"{out / MODEL}: trained with another {' and '.join(changed)}; train the estimator again")
    net = Pose2Pose(config.width, skeleton, torch.eye(3).expand(24, 3, 3))
    net.load_state_dict(weights)
    return net.to(default_device()).eval()


def guess_mean(train: Sketches, count: int) -> Guess:
    """The mean pose of the train split, `count` times over."""
    mean = mean_pose(train)
    pose, joints3d, joints2d = (np.repeat(a[None], count, 0) for a in (mean.pose, mean.joints3d, mean.joints2d * train.size))
    return Guess(pose, joints3d, joints2d, 0.0)


@fixed_threads()
@torch.inference_mode()
def guess_net(net: Pose2Pose, samples: list[Sample], batch: int) -> Guess:
    """The network's word on each sample; the time covers the network alone."""
    device, parts, seconds = default_device(), [], 0.0
    for start in range(0, len(samples), batch):
        images = collate(samples[start : start + batch], device).images
        began = time.perf_counter()
        seen = net(images)
        parts.append([a.cpu().numpy() for a in (seen.pose, seen.joints3d, seen.joints2d)])
        seconds += time.perf_counter() - began
    pose, joints3d, joints2d = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Guess(pose, joints3d, joints2d, seconds)


def by_style(guess: Guess, samples: list[Sample]) -> dict[str, dict[str, float | None]]:
    """Means of every metric, per style that has samples and over all."""
    names = ("joints3d", "joints2d", "visibility", "pose")
    joints3d, joints2d, visibility, pose = (np.stack([getattr(sample, name) for sample in samples]) for name in names)
    errors = {
        "mpjpe": metrics.mpjpe(guess.joints3d, joints3d),
        "pa_mpjpe": metrics.pa_mpjpe(guess.joints3d, joints3d),
        "pck": metrics.pck(guess.joints2d, joints2d, visibility),
        "rotation": metrics.rotation_error(guess.pose, pose),
        "ms": np.full(len(samples), 1000 * guess.seconds / len(samples)),
    }
    styles = np.array([s.style for s in samples])
    groups = {style: styles == style for style in STYLES if style in styles} | {"all": np.ones(len(samples), bool)}
    return {name: _means(errors, rows) for name, rows in groups.items()}


def _means(errors: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, float | None]:
    known = {name: values[rows][~np.isnan(values[rows])] for name, values in errors.items()}
    return {"samples": int(rows.sum())} | {name: round(float(v.mean()), 4) if v.size else None for name, v in known.items()}


def table(result: dict) -> str:
    """The result as a Markdown table."""
    head = ["method", "style", "samples", *(f"{name} ({unit})" for name, unit in UNITS.items())]
    lines = [head, ["---", "---", *["---:"] * (len(head) - 2)]]
    for method, groups in result.items():
        for style, values in groups.items():
            numbers = [_number(values[name], 3 if name == "pck" else 1) for name in UNITS]
            lines.append([method, style, str(values["samples"]), *numbers])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _picture(samples: list[Sample], guess: Guess) -> bytes:
    rows = []
    for index in [i for style in STYLES for i in _of_style(samples, style)[:ROWS]]:
        sample = samples[index]
        found, true = (guess.joints2d[index], guess.joints3d[index]), (sample.joints2d, sample.joints3d)
        rows.append(picture.row(sample.image, sample.sample_id, found, true))
    return cv2.imencode(".png", cv2.cvtColor(picture.grid(rows), cv2.COLOR_RGB2BGR))[1].tobytes()


def _of_style(samples: list[Sample], style: str) -> list[int]:
    return [index for index, sample in enumerate(samples) if sample.style == style]
