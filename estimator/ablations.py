"""What each part is worth: `make ablations` trains every variant of ablations.yaml and judges all on the same held-out samples.

Whatever is finished is left alone, so it can be stopped and started again. `ablations.md` and `ablations.json` are written after
every variant, unless `--only` asks for some. The last line is one JSON object: variant: metric: difference to its base, with its
paired 95 % interval.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import yaml

from estimator.data import Sketches
from estimator.inference import predict_all
from estimator.intervals import Resamples, Value, of_rows
from estimator.losses.criterion import PRESETS
from estimator.models import load_model
from estimator.scores import Judge, Said, Scores
from estimator.skeleton import Skeleton
from estimator.train import fixed_threads, train
from manifests import markdown
from manifests.errors import UserError, command
from manifests.recipe import Recipe
from manifests.recipe_files import load_recipe
from manifests.skeleton import STYLES
from stages.body.model import load_body
from stages.shards.held_out import NAME, open_held_out
from stages.wholefile import write_atomically, write_json

RECIPE, BASE = "ablations", "base"
# Metrics of the table, and the digits that they are told to.
METRICS = {"pa_mpjpe": 1, "mpjpe": 1, "pck": 3, "direction": 1, "depth_sign": 3, "limb_order": 3, "contact_recall": 3}


@dataclass(frozen=True)
class Variant:
    """One training: the model it is a variant of ("" if it is that model), which data, changes of the training, styles it is judged on."""

    name: str
    of: str
    data: str = BASE
    training: tuple[str, ...] = ()
    judged: tuple[str, ...] = STYLES


@cache
def _plan() -> dict:
    return yaml.safe_load((resources.files("estimator") / "ablations.yaml").read_text("utf-8"))


def variants() -> list[Variant]:
    """All of the file, each model before its variants; those that need drawings of their own come after the others."""
    plan = _plan()
    found = [Variant(v["name"], v["of"], v.get("data", BASE), tuple(v.get("training", ()))) for v in plan["variants"]]
    of_loss, of_style = plan["each_loss_of"], plan["each_style_of"]
    found += [Variant(f"without {name}", of_loss, training=(f"estimator.weights={{{name}: 0}}",)) for name in PRESETS["skep"]]
    for style in STYLES:
        others = ", ".join(s for s in STYLES if s != style)
        found.append(Variant(f"without {style} drawings", of_style, training=(f"estimator.styles=[{others}]",), judged=(style,)))
    found.sort(key=lambda v: v.data != BASE)
    models = [Variant(model, "") for model in plan["models"]]
    return [v for model in models for v in (model, *(other for other in found if other.of == model.name))]


class Bench:
    """Where the variants are trained, and what they are judged on."""

    def __init__(self, out: Path, changes: list[str], held_out: str):
        self.out, self.changes = out, changes
        recipe = self._recipe("pose2pose", ())
        self.body = recipe.body.path
        self.judge = Judge(self.body, list(Sketches(open_held_out(held_out).url, "val", recipe.estimator.size)))
        self.scores: dict[str, Scores] = {}

    def measure(self, variant: Variant) -> dict[str, Value]:
        """Make its data and train it, where that is not done, and judge it: how much greater each metric is than that of the model
        it is a variant of; of a model itself, its own values."""
        recipe = self._recipe(variant.of or variant.name, variant.training)
        data = self._make(variant.data)
        path = train(data / "dataset", self.out / _folder(variant.name), recipe.estimator, recipe.seed, self.body)
        self.scores[variant.name] = self._scores(path)
        return self._told(variant)

    def _recipe(self, model: str, training: tuple[str, ...]) -> Recipe:
        return load_recipe(RECIPE, [f"estimator.model={model}", *_plan()["training"], *training, *self.changes])

    def _make(self, data: str) -> Path:
        """The run of a dataset, by the command that a user has: it knows what is done and what is stale. A variant begins with what the
        base has, so that only the stages which differ are done again."""
        folder = self.out / "data" / _folder(data)
        if data != BASE and not folder.exists():
            _link(self._make(BASE), folder)
        given = [word for change in (*_plan()["data"][data], *self.changes) for word in ("--set", change)]
        done = subprocess.run([sys.executable, "-m", "pipeline", "run", RECIPE, "--run", str(folder), *given], check=False)
        if done.returncode:
            raise UserError(f"{folder}: its dataset was not made; see above")
        return folder

    def _scores(self, path: Path) -> Scores:
        net, config = load_model(path, Skeleton(load_body(self.body)))
        with fixed_threads():
            return self.judge.scores(Said(*predict_all(net, self.judge.samples, config.batch)))

    def _told(self, variant: Variant) -> dict[str, Value]:
        rows = np.array([sample.style in variant.judged for sample in self.judge.samples])
        resamples = Resamples(int(rows.sum()))
        mine = {name: of_rows(self.scores[variant.name][name], rows) for name in METRICS}
        if not variant.of:
            return {name: resamples.mean(values) for name, values in mine.items()}
        return {name: resamples.difference(values, of_rows(self.scores[variant.of][name], rows)) for name, values in mine.items()}


def _link(run: Path, folder: Path) -> None:
    """A copy of a run that takes no room: files of stages are replaced, never written to. Lock and logs are each run's own."""
    part = folder.with_name(f".{folder.name}")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(run, part, copy_function=os.link, ignore=shutil.ignore_patterns("lock", "events"))
    part.rename(folder)


def _folder(name: str) -> str:
    return name.replace(" ", "-")


def table(measured: dict[str, dict[str, Value]], known: list[Variant]) -> str:
    """Markdown: values of the models, differences of their variants; bold where the interval leaves out 0."""
    lines = []
    for variant in known:
        if variant.name in measured:
            cells = [_cell(measured[variant.name][name], digits, bool(variant.of)) for name, digits in METRICS.items()]
            lines.append([variant.name if variant.of else f"**{variant.name}**", *cells])
    return markdown.table(["", *METRICS], lines, numbers=1)


def _cell(told: Value, digits: int, signed: bool) -> str:
    value, low, high = told["value"], told["low"], told["high"]
    if value is None or low is None or high is None:
        return "-"
    sign = "+" if signed else ""
    text = f"{value:{sign}.{digits}f} ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})"
    return f"**{text}**" if signed and low * high > 0 else text


def main() -> None:
    args = _arguments()
    known = variants()
    if unknown := set(args.only or ()) - {v.name for v in known}:
        raise UserError(f"--only {sorted(unknown)[0]}: there is no such variant; see estimator/ablations.yaml")
    chosen = [v for v in known if not args.only or v.name in args.only or any(o.of == v.name for o in known if o.name in args.only)]
    bench, measured = Bench(args.out, args.set, args.held_out), {}
    for variant in chosen:
        print(f"== {variant.name}", flush=True)
        measured[variant.name] = bench.measure(variant)
        if not args.only:  # a part would be written over the whole
            write_json(args.out / "ablations.json", measured)
            write_atomically(args.out / "ablations.md", f"{table(measured, known)}\n".encode())
    print(table(measured, known))
    print(json.dumps(measured))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of datasets and trainings")
    parser.add_argument("--held-out", default=NAME, help="dataset whose val split judges all")
    parser.add_argument("--only", action="append", help="this variant and its model; may be given several times")
    parser.add_argument("--set", action="append", default=[], help="change of the recipe of all, key=value")
    return parser.parse_args()


if __name__ == "__main__":
    command(main)
