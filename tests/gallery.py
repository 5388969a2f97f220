"""The gallery of the drawing renderer: `make gallery` writes docs/gallery.jpg, a row of random samples for each style."""

import sys
from pathlib import Path

import cv2
import numpy as np

from manifests import schema
from manifests.randomness import generator
from manifests.recipe_files import load_recipe
from manifests.skeleton import STYLES
from pipeline.plan import Pipeline
from stages.body.figure import make_figure
from stages.body.model import load_body
from stages.pictures import grid, jpeg
from stages.sketches.drawing import Drawing, draw
from stages.sketches.stage import head_turn
from tests.batch import through

SEED, SIDE = 11, 160
LABELS = ("pose", "betas", "bone_scales", "transl", "camera_K")


def drawings(style: str, count: int, size: int = 256) -> list[Drawing]:
    """Drawings of the demo's first poses of a style; not chosen by anyone."""
    pipeline, body = Pipeline(load_recipe("demo")), load_body()
    stages = [cls(pipeline.configs[cls.name]) for cls in pipeline.stages[:2]]
    known, _ = through(stages, [f"{style}-{i:06d}" for i in range(count)], SEED)
    rows = [{name: row[name] for name in LABELS} for row in schema.rows_of(known)]
    return [
        draw(make_figure(body, **row, size=256), style, generator(SEED, f"{style}-{i}", "gallery"), head_turn(row["pose"]), size)
        for i, row in enumerate(rows)
    ]


def sheet(count: int, columns: int, styles=STYLES) -> np.ndarray:
    """A contact sheet (H, W, 3) RGB: `count` drawings of each style, in rows of `columns`."""
    images = [cv2.resize(d.image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for style in styles for d in drawings(style, count)]
    return grid(images, columns)


def main() -> None:
    out, count, columns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    out.write_bytes(jpeg(sheet(count, columns), 85))
    print(f"{out}: {count} drawings of each style, {columns} a row")


if __name__ == "__main__":
    main()
