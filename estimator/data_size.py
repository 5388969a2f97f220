"""Does more data teach more? `make data-size` trains the same model on the first so many samples of a run, size after size.

Each is judged on a held-out dataset and on annotated drawings that people made. Whatever is finished is left alone. Beside the
trainings lie data_size.json and data_size.png; the last line is one JSON object: size: metric: {value, low, high}, 95 %.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from estimator.data import Sketches
from estimator.figure import figures_of
from estimator.inference import predict_all
from estimator.intervals import Resamples, Value
from estimator.judge import error
from estimator.metrics import Shares
from estimator.network import Network, read_net, said_of
from estimator.picture import curve
from estimator.profile import changes
from estimator.scores import Judge, Said
from estimator.train import fixed_threads, train
from manifests.errors import UserError, command
from manifests.recipe import Recipe
from manifests.recipe_files import load_recipe
from stages.annotated.reader import Annotated, read_annotated
from stages.detector.metrics import NEAR
from stages.pictures import png
from stages.shards.held_out import NAME, open_held_out
from stages.wholefile import write_atomically, write_json

HELD_OUT, BY_HAND = "pa_mpjpe", "pck_by_hand"

Measured = dict[str, dict[str, Value]]


class Scale:
    """The run to learn from, and what every size is judged on."""

    def __init__(self, run: Path, recipe: Recipe, held_out: str, drawings: Path):
        self.run, self.recipe = run, recipe
        self.judge = Judge(recipe.body.path, list(Sketches(open_held_out(held_out).url, "val", recipe.estimator.size)))
        self.drawings = list(read_annotated(drawings))

    def measure(self, size: int, out: Path) -> dict[str, Value]:
        """Train on the first `size` samples, where that is not done, and judge."""
        config = self.recipe.estimator.model_copy(update={"samples": size})
        train(self.run / "dataset", out, config, self.recipe.seed, self.recipe.body.path)
        network = read_net(out, self.recipe.body.path)
        with fixed_threads():
            scores = self.judge.scores(Said(*predict_all(network.net, self.judge.samples, config.batch)))
            by_hand = np.array([error(drawing, _joints(network, drawing)) for drawing in self.drawings])
        near = Shares((by_hand <= NEAR).sum(1), (~np.isnan(by_hand)).sum(1))
        told = Resamples(len(self.judge.samples)).mean
        return {HELD_OUT: told(scores[HELD_OUT]), "pck": told(scores["pck"]), BY_HAND: Resamples(len(near.of)).mean(near)}


def _joints(network: Network, drawing: Annotated) -> np.ndarray:
    """Joints (16, 2) px that the network finds in the drawing's given box."""
    return figures_of(*said_of(network, [drawing.image], drawing.box[None]))[0].joints2d


def write(out: Path, measured: Measured) -> None:
    """The figures, and a plot of two curves over the number of samples."""
    write_json(out / "data_size.json", measured)
    sizes = [int(size) for size in measured]
    plots = [
        curve(sizes, [measured[str(size)][name] for size in sizes], title)
        for name, title in ((HELD_OUT, "PA-MPJPE, mm, held out"), (BY_HAND, f"PCK@{NEAR} in drawings made by hand"))
    ]
    write_atomically(out / "data_size.png", png(np.concatenate(plots, axis=1)))


def main() -> None:
    args = _arguments()
    recipe = load_recipe(str(args.run / "recipe.yaml"), [*changes(args.profile), *args.set])
    scale, measured = Scale(args.run, recipe, args.held_out, args.drawings), {}
    have = len(Sketches(args.run / "dataset", "train", recipe.estimator.size))
    if max(args.sizes) > have:
        raise UserError(f"{args.run}: has {have} training samples, fewer than {max(args.sizes)}")
    for size in sorted(args.sizes):
        print(f"== {size} samples", flush=True)
        measured[str(size)] = scale.measure(size, args.out / str(size))
        write(args.out, measured)
    print(json.dumps(measured))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run whose train split is learned from")
    parser.add_argument("out", type=Path, help="folder of trainings, figures and plot")
    parser.add_argument("sizes", type=int, nargs="+", help="numbers of samples")
    parser.add_argument("--held-out", default=NAME, help="dataset whose val split judges all")
    parser.add_argument("--drawings", type=Path, default=Path("tests/data/drawings"), help="annotated drawings, as `skep evaluate --data`")
    parser.add_argument("--profile", default="", help="sizes of the training: cpu or gpu; else the recipe's")
    parser.add_argument("--set", action="append", default=[], help="change of the recipe, key=value")
    return parser.parse_args()


if __name__ == "__main__":
    command(main)
