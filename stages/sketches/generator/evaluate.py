"""How well a generator draws what it is told: `make evaluate-generator MODEL=folder`; the last line is one JSON object.

The same poses, of sources that no training saw, are drawn by the renderer and by the generator, with the part map and with the
skeleton alone. The detector reads all drawings; it is given the true boxes, so that the drawing is measured and not the finder.
"""

import argparse
import json
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import torch

from manifests.errors import UserError, command
from manifests.recipe import Diffusion, Recipe
from manifests.schema import to_numpy
from stages.detector.detect import Detector, load_detector
from stages.detector.metrics import NEAR
from stages.library.chunks import chunks_of
from stages.library.studio import recipe_of, side_of
from stages.pictures import png
from stages.sketches.artist import sources_of
from stages.sketches.generator.conditions import pose_map
from stages.sketches.generator.easel import Easel, held_out, pictures_of, rows_by_style
from stages.sketches.generator.judge import ByStyle, Read, diversity_ratio, nearest, ratio, read
from stages.sketches.generator.library import Library
from stages.sketches.generator.likeness import Learnt
from stages.sketches.generator.notes import notes_of
from stages.sketches.generator.pictures import sheet

SEED, SIZE = 606, 256  # of the poses; of the pictures where the model does not say
VOID = 0.85  # PCK of the renderer's drawings below which the detector cannot judge a style
_SPREAD, _TURNS, _SHOWN = 8, 4, 6  # poses a style that are drawn several times, how often, and how often for the sheets


class Evaluation:
    """One model on fixed poses, `each` of every style."""

    def __init__(self, diffusion: Diffusion, each: int, detector: Detector):
        self.diffusion, self.detector = diffusion, detector
        self.recipe = recipe_for(diffusion)
        self.table = held_out(self.recipe, each)
        self.easel = Easel(self.recipe, diffusion)
        self.rendered = pictures_of(self.table)
        self.drawn = self.easel.draw(self.table)

    @cached_property
    def read(self) -> Read:
        """The model's drawings as the detector reads them."""
        return read(self.detector, self.drawn, self.table)

    def figures(self) -> dict:
        """What every evaluation measures."""
        bare = Easel(self.recipe, self.diffusion.model_copy(update={"condition": "skeleton"})).draw(self.table)
        sets = self.rendered, bare, self.easel.copied(self.rendered)
        rendered, skeleton, copied = (read(self.detector, pictures, self.table) for pictures in sets)
        drawn = self.read
        return {
            "pck_ratio": ratio(drawn.pck, rendered.pck), "pck_ratio_skeleton_only": ratio(skeleton.pck, rendered.pck),
            "pck_ratio_autoencoder": ratio(copied.pck, rendered.pck),
            "pck_ratio_found_box": ratio(drawn.pck_found, rendered.pck_found), "style_accuracy": drawn.named,
            "diversity_ratio": self._diversity(), "pck": drawn.pck, "pck_renderer": rendered.pck,
            "style_accuracy_skeleton_only": skeleton.named, "style_accuracy_renderer": rendered.named,
            "void": [style for style, share in rendered.pck.items() if share < VOID],
        }  # fmt: skip

    def few_steps(self, teacher: Diffusion) -> dict[str, ByStyle]:
        """PCK of this model's drawings less that of a model of many steps."""
        many = read(self.detector, Easel(self.recipe, teacher).draw(self.table), self.table)
        few = self.read.pck
        return {"few_steps_gap": {style: few[style] - many.pck[style] for style in few}, "pck_many_steps": many.pck}

    def copies(self, library: Path) -> dict[str, ByStyle]:
        """How near the drawings come to those of a training library."""
        return nearest(Learnt(Library(chunks_of(library, "train"), SIZE)), self.drawn, self.rendered, self.table)

    def write_sheets(self, folder: Path) -> None:
        """A picture a style: a column a pose, its pose map above drawings of several seeds."""
        folder.mkdir(parents=True, exist_ok=True)
        table = spread(self.table, _SPREAD)
        turns = [self.easel.draw(table, turn) for turn in range(_SHOWN)]
        for style, index in rows_by_style(table).items():
            rows = [[self._pose_map(table, i) for i in index], *([turn[i] for i in index] for turn in turns)]
            (folder / f"{style}.png").write_bytes(png(sheet(rows)))

    def _pose_map(self, table: pa.Table, row: int) -> np.ndarray:
        joints, drawn = (to_numpy(table, name)[row] for name in ("joints2d", "joints3d_drawn"))
        return pose_map(joints, drawn[:, 2], self.recipe.projections.size)

    def _diversity(self) -> ByStyle:
        table = spread(self.table, _SPREAD)
        drawn, rendered = ([maker.draw(table, turn) for turn in range(_TURNS)] for maker in (self.easel, Easel(self.recipe)))
        return diversity_ratio(drawn, rendered, table)


def spread(table: pa.Table, each: int) -> pa.Table:
    """The first rows of every style."""
    return table.take(np.concatenate([index[:each] for index in rows_by_style(table).values()]))


def recipe_for(diffusion: Diffusion) -> Recipe:
    """The fixed poses, as large as the model draws."""
    model = sources_of(diffusion)["model"]
    return recipe_of(SEED, side_of(notes_of(model.folder, model.where).size or SIZE))


def report(figures: dict) -> str:
    """A table for people."""
    names = ("pck_renderer", "pck", "pck_ratio", "pck_ratio_skeleton_only", "style_accuracy", "diversity_ratio")
    lines = [f"PCK@{NEAR} torso lengths of visible joints, true boxes", "", f"{'style':<10}" + "".join(f"{name:>26}" for name in names)]
    for style in figures["pck"]:
        void = f"  void: the detector reads only {figures['pck_renderer'][style]:.2f} of the renderer's" if style in figures["void"] else ""
        lines.append(f"{style:<10}" + "".join(f"{figures[name][style]:>26.3f}" for name in names) + void)
    return "\n".join(lines)


def rounded(value):
    """Numbers to four digits, however deep."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    args = _arguments()
    if args.each < 1:
        raise UserError(f"--each {args.each}: expected at least one pose of each style")
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    options = {"dtype": args.dtype, "device": args.device, "batch": args.batch}
    evaluation = Evaluation(Diffusion(model=args.model, **options), args.each, load_detector(device=args.device))
    figures = evaluation.figures()
    if args.teacher:
        figures |= evaluation.few_steps(Diffusion(model=args.teacher, **options))
    if args.library:
        figures |= evaluation.copies(args.library)
    if args.sheets:
        evaluation.write_sheets(args.sheets)
    print(report(figures))
    print(json.dumps(rounded(figures)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a generator; default: the bundled one")
    parser.add_argument("--each", type=int, default=100, help="poses of each style")
    parser.add_argument("--teacher", type=Path, help="folder of the model of many steps that this one was distilled from")
    parser.add_argument("--library", type=Path, help="drawings that it was trained on, to look for copies")
    parser.add_argument("--sheets", type=Path, help="write a contact sheet of each style into this folder")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    command(main)
