"""Drawings a second on one core, by style, at 256 px: `draw` alone, figures made beforehand. `make bench-drawing`; the
last line is JSON.
"""

import json
import time

import cv2
import numpy as np

from manifests import schema
from manifests.randomness import generator
from manifests.recipe_files import load_recipe
from manifests.skeleton import STYLES
from pipeline.plan import Pipeline
from stages.body.figure import Figure, make_figure
from stages.body.model import load_body
from stages.sketches.drawing import draw
from stages.sketches.stage import head_turn
from tests.batch import through

COUNT, SIZE = 60, 256
LABELS = ("pose", "betas", "bone_scales", "transl", "camera_K")


def figures() -> list[tuple[Figure, np.ndarray]]:
    """Figures of the demo's poses and projections, with the turn of each head."""
    pipeline = Pipeline(load_recipe("demo"))
    stages = [cls(pipeline.configs[cls.name]) for cls in pipeline.stages[:2]]
    known, _ = through(stages, [f"ink-{i:06d}" for i in range(COUNT)])
    rows = [{name: row[name] for name in LABELS} for row in schema.rows_of(known)]
    body = load_body()
    return [(make_figure(body, **row, size=SIZE), head_turn(row["pose"])) for row in rows]


def per_second(made: list[tuple[Figure, np.ndarray]], style: str) -> float:
    """Drawings a second after a first one, which loads what is compiled."""
    draw(made[0][0], style, generator(0, "warm", style), made[0][1])
    began = time.perf_counter()
    for i, (figure, turn) in enumerate(made):
        draw(figure, style, generator(0, str(i), style), turn)
    return len(made) / (time.perf_counter() - began)


def main() -> None:
    cv2.setNumThreads(1)
    made = figures()
    rates = {style: round(per_second(made, style), 1) for style in STYLES}
    for style, rate in rates.items():
        print(f"{style:10} {rate:6.1f} drawings/s at {SIZE} px on one core")
    print(json.dumps({"per_s": rates}))


if __name__ == "__main__":
    main()
