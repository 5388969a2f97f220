"""Evaluation on a held-out split: every method in one table, as JSON, as Markdown and as pictures."""

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import nn

from estimator import picture
from estimator.baseline import mean_pose
from estimator.camera import laid
from estimator.data import Sketches
from estimator.figure import Figure, figure_of_sample, figures_of
from estimator.fitted import Looked, fit_all, look_at
from estimator.guidance import Found
from estimator.inference import predict_all
from estimator.intervals import Resamples, Value, of_rows
from estimator.judged import as_parquet, judged
from estimator.lifter import Lifter
from estimator.models import load_model
from estimator.prediction import Prediction
from estimator.sample import Sample
from estimator.scores import UNITS, Judge, Said, Scores
from estimator.skeleton import Skeleton
from estimator.state import BUNDLED, MODEL, WORDS
from estimator.train import fixed_threads
from manifests import markdown
from manifests.errors import UserError
from manifests.evaluation import PAIRED, RELIABILITY, RESULT, SAMPLES
from manifests.recipe import Estimator
from manifests.skeleton import STYLES
from stages.body.model import load_body
from stages.pictures import png
from stages.wholefile import write_atomically, write_json

TABLE = "evaluation.md"
MEAN, FIT, OURS = "mean_pose", "fit", "bundled"
ROWS, WORST = 2, 12  # pictures of each style; of the worst
PICTURES = ("evaluation", "worst", "reliability")  # <method>.<picture>.png

# method or pair of methods: style or all: metric: {value, low, high}
Table = dict[str, dict[str, dict[str, Value]]]


def evaluate(
    dataset: str | Path, out: Path, body: Path | None, train: str | Path, log: Callable[[str], None] = print, fit: bool = False
) -> Table:
    """Compare, on the val split of `dataset`, every model `<out>/<name>/model.safetensors` with the mean pose of the train split of
    `train`, with the bundled model where it knows the body, and with the optimisation fit if asked, from nothing and from where each
    model leaves it: {method: {style or all: {metric: {value, low, high}}}}, with 95 % bootstrap intervals. Every model looks at pictures
    of its own size, the fit at the largest of them.

    Writes evaluation.json, paired.json (differences between methods, sample for sample), reliability.json, judged.parquet (what was
    said of each sample), tables and pictures to `out`, and logs the table. Raises UserError where there is no model.
    """
    files = sorted(out.glob(f"*/{MODEL}"))
    if not files:
        raise UserError(f"{out}: no trained model; train one first")
    judge, said = _say(dataset, files, body, train, fit)
    scores = {method: judge.scores(words) for method, words in said.items()}
    result, paired = _by_style(scores, judge.samples)
    text = table(result)
    write_json(out / RESULT, result)
    write_json(out / PAIRED, paired)
    write_json(out / RELIABILITY, reliable := {method: judge.reliability(words) for method, words in said.items() if method != MEAN})
    write_atomically(out / TABLE, f"{text}\n".encode())
    write_atomically(out / SAMPLES, as_parquet(judged(judge.samples, said, scores)))
    _forget(out, set(reliable))
    for method, words in reliable.items():
        write_atomically(out / f"{method}.reliability.png", png(picture.reliability(words["bins"])))
        _pictures(out, method, judge, said[method].seen, np.asarray(scores[method]["pa_mpjpe"]))
    log(text)
    return result


def _say(dataset: str | Path, files: list[Path], body: Path | None, train: str | Path, fit: bool) -> tuple[Judge, dict[str, Said]]:
    """What each method says of the val split, in px of the largest pictures that a model looks at."""
    skeleton = Skeleton(load_body(body))
    nets = _bundled(skeleton) | {file.parent.name: load_model(file, skeleton) for file in files}
    size = max(config.size for _, config in nets.values())
    samples = {side: list(Sketches(dataset, "val", side)) for side in {size, *(config.size for _, config in nets.values())}}
    judge = Judge(body, samples[size])
    said = {MEAN: say_mean(Sketches(train, "train", size), len(judge.samples))}

    def say(name: str, found: Found | None = None) -> tuple[Prediction, float]:
        net, config = nets[name]
        return _say_net(net, samples[config.size], config, size, found)

    with fixed_threads():
        by_nets = {name: say(name) for name in nets}
        if fit:
            looked = look_at(judge.samples)
            found = looked.across(size)
            told = {name: say(name, found) for name, (net, _) in nets.items() if isinstance(net, Lifter)}
            said |= _fits(looked, judge, by_nets | told)
    return judge, said | {name: Said(*words) for name, words in by_nets.items()}


def _say_net(net: nn.Module, samples: list[Sample], config: Estimator, size: int, found: Found | None = None) -> tuple[Prediction, float]:
    """What a network sees in pictures of its own size, in px of pictures of another; the seconds that it took."""
    seen, seconds = predict_all(net, samples, config.batch, found)
    scale = size / config.size
    return seen._replace(joints2d=seen.joints2d * scale, camera=seen.camera * scale), seconds


def _fits(looked: Looked, judge: Judge, starts: dict[str, tuple[Prediction, float]]) -> dict[str, Said]:
    """What the fit says from nothing, and from where each network leaves it, much as `predict` does; the seconds are of all of it."""
    said = {FIT: Said(*fit_all(looked, judge.body))}
    for name, (start, seconds) in starts.items():
        seen, more = fit_all(looked, judge.body, start)
        said[f"{name}+{FIT}"] = Said(seen, seconds + more)
    return said


def _bundled(skeleton: Skeleton) -> dict[str, tuple[nn.Module, Estimator]]:
    """The model that comes with SKEP, where it knows the body."""
    knows = json.loads((BUNDLED / WORDS).read_bytes())["body"] == skeleton.digest()
    return {OURS: load_model(BUNDLED / MODEL, skeleton)} if knows else {}


def say_mean(train: Sketches, count: int) -> Said:
    """The mean pose of the train split, `count` times over; it looks at nothing, so it is sure of nothing."""
    mean = mean_pose(train)
    told = {name: torch.from_numpy(np.asarray(value, np.float32)).expand(count, *value.shape) for name, value in vars(mean).items()}
    told["joints2d"] = told["joints2d"] * train.size
    nothing = torch.zeros(count, 16)
    six = torch.zeros(count, 24, 6)
    camera = laid(told["joints3d_drawn"], told["joints2d"], torch.ones(count, 16))
    return Said(Prediction(**told, six=six, camera=camera, depth=told["joints3d_drawn"][..., 2], confidence=nothing), 0.0)


def _by_style(scores: dict[str, Scores], samples: list[Sample]) -> tuple[Table, Table]:
    """Values of every method, and differences of every two, per style that has samples and over all."""
    styles = np.array([s.style for s in samples])
    groups = {style: styles == style for style in STYLES if style in styles} | {"all": np.ones(len(samples), bool)}
    result: Table = {method: {} for method in scores}
    paired: Table = {f"{b} - {a}": {} for a, b in combinations(scores, 2)}
    for style, rows in groups.items():
        resamples = Resamples(int(rows.sum()))
        mine = {method: {name: of_rows(values, rows) for name, values in all_of.items()} for method, all_of in scores.items()}
        for method, values in mine.items():
            count = float(rows.sum())
            result[method][style] = {"samples": {"value": count, "low": count, "high": count}}
            result[method][style] |= {name: resamples.mean(v) for name, v in values.items()}
        for a, b in combinations(mine, 2):
            paired[f"{b} - {a}"][style] = {name: resamples.difference(mine[b][name], mine[a][name]) for name in UNITS}
    return result, paired


def table(result: Table) -> str:
    """The result as a Markdown table."""
    head = ["method", "style", "samples", *(f"{name} ({unit})" for name, unit in UNITS.items())]
    lines = []
    for method, groups in result.items():
        for style, values in groups.items():
            numbers = [_number(values[name], 1 if unit in ("mm", "degrees", "a sketch") else 3) for name, unit in UNITS.items()]
            lines.append([method, style, f"{values['samples']['value']:.0f}", *numbers])
    return markdown.table(head, lines, numbers=2)


def _number(value: Value, digits: int) -> str:
    return "-" if value["value"] is None else f"{value['value']:.{digits}f}"


def _pictures(out: Path, method: str, judge: Judge, seen: Prediction, errors: np.ndarray) -> None:
    """Some of each style, and the worst of all."""
    some = [i for style in STYLES for i in [i for i, s in enumerate(judge.samples) if s.style == style][:ROWS]]
    worst = [int(i) for i in np.argsort(-errors, kind="stable")[:WORST]]
    figures = figures_of(seen, [np.eye(2, 3)] * len(errors))
    for name, chosen in (("evaluation", some), ("worst", worst)):
        rows = [_row(judge, i, figures[i], f"{judge.samples[i].sample_id}  PA-MPJPE {errors[i]:.0f} mm") for i in chosen]
        write_atomically(out / f"{method}.{name}.png", png(picture.grid(rows)))


def _forget(out: Path, methods: set[str]) -> None:
    """Pictures of other methods, left by an earlier evaluation, would be taken for this one's."""
    for path in out.glob("*.*.png"):
        method, kind = path.stem.rsplit(".", 1)
        if kind in PICTURES and method not in methods:
            path.unlink()


def _row(judge: Judge, index: int, found: Figure, caption: str) -> np.ndarray:
    sample = judge.samples[index]
    return picture.row(sample.image, caption, found, figure_of_sample(sample), judge.body)
