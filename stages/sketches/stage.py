"""The sketches stage: every projected row becomes a picture in the row's style."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import reduce
from typing import Any, NamedTuple

import cv2
import numpy as np
import pyarrow as pa

from manifests import schema
from manifests.errors import UserError
from manifests.skeleton import STYLES
from manifests.stage import Config, Context, Resources, Stage
from stages.body.camera import intrinsics
from stages.body.figure import LABELS, figure_of_row, make_figure
from stages.body.model import load_body
from stages.body.rotations import matrix_from_axis_angle
from stages.body.shading import draw_skeleton
from stages.pictures import UNREADABLE, decode, jpeg, png
from stages.sketches.drawing import draw
from stages.sketches.drawing.layer import UNITS

_LABELS = (*LABELS, "joints2d", "joints3d_drawn")
_SPINE_TO_HEAD = (0, 3, 6, 9, 12, 15)  # SMPL joints whose rotations turn the head
_LEVEL, _QUALITY = 3, 92  # of PNG, of JPEG
_NO_NOISE = -1  # the seed of what the renderer drew


class _Work(NamedTuple):
    """A row's encoded picture, empty where it is still to be drawn; what the figure looks like; who draws; the seed of its noise."""

    image: bytes
    phrase: str
    maker: str
    seed: int


class Sketches(Stage):
    """Draws with the renderer, a diffusion model, or both. A row's picture depends on its labels, its style and its own randomness."""

    name = "sketches"
    version = 6
    config = ("body", "sketches", "projections.size")
    reads = (*_LABELS, "motion")
    writes = schema.SKETCHES

    @classmethod
    def needs(cls, config: Config) -> Resources:
        """Workers that stay where there is a model to load, and a GPU where it runs on one."""
        if config.sketches.source == "renderer":
            return cls.resources
        return Resources(model=True, gpus=1 if config.sketches.diffusion.device == "cuda" else 0)

    @classmethod
    def setup_on_node(cls, config: Config) -> None:
        """Compile the renderer's loops once, into the cache that every worker reads."""
        body = load_body(config.body.path)
        figure = make_figure(body, np.zeros((24, 3)), np.zeros(10), np.ones(24), np.array([0, 0, 4.0]), intrinsics(UNITS, UNITS), UNITS)
        for style in STYLES if config.sketches.source != "diffusion" else ():
            draw(figure, style, np.random.default_rng(0))

    def setup(self, device: str) -> None:
        """Load the body and the model, if the recipe wants one; OpenCV keeps to the one thread that the stage declares."""
        cv2.setNumThreads(1)
        self.body = load_body(self.cfg.body.path)
        self.artist = None
        if self.cfg.sketches.source != "renderer":
            from stages.sketches.artist import Artist  # torch and diffusers, for those alone who ask for them

            self.artist = Artist(self.cfg.sketches.diffusion, self.cfg.get("projections.size"), self.body, device)

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        """One encoded picture for each row."""
        rows = list(schema.rows_of(table))
        works = self._works(rows, ctx)
        columns = {
            "sample_id": [row["sample_id"] for row in rows],
            "image": [work.image for work in works],
            "image_bytes": [len(work.image) for work in works],
            "image_format": [self.cfg.sketches.image_format] * len(rows),
            "appearance": [work.phrase for work in works],
            "generator": [work.maker for work in works],
            "noise_seed": [work.seed for work in works],
            "reason": [""] * len(rows),
        }
        return schema.to_table(schema.SKETCHES, columns)

    def _works(self, rows: list[dict[str, Any]], ctx: Context) -> list[_Work]:
        """Every row's. While the model draws a batch, one thread begins the rows of the next, and another encodes the batch before."""
        begun = ((row, ctx.rng(row["sample_id"])) for row in rows)
        if not self.artist:
            return [self._begin(*row)[0] for row in begun]
        works: list[_Work] = []
        with ThreadPoolExecutor(1) as beginner, ThreadPoolExecutor(1) as encoder:
            orders = _noted(ahead(beginner, self._begin, begun, self.artist.painter.batch), works)
            images = [encoder.submit(self._encode, picture) for picture in self.artist.pictures(orders)]
        encoded = iter(images)
        return [work if work.image else work._replace(image=next(encoded).result()) for work in works]

    def _begin(self, row: dict[str, Any], rng: np.random.Generator) -> tuple[_Work, Any]:
        """What the renderer draws at once, or work to be finished and the model's order for it."""
        if self.artist and self._for_artist(rng):
            order, phrase = self.artist.order(row, rng)
            return _Work(b"", phrase, self.artist.name, order.seed), order
        size = self.cfg.get("projections.size")
        figure = figure_of_row(self.body, row, UNITS, UNITS / size)
        drawing = draw(figure, row["style"], rng, head_turn(row["pose"]), size)
        return _Work(self._encode(drawing.image), drawing.appearance, "renderer", _NO_NOISE), None

    def made_with(self) -> dict:
        """Of diffusion pictures: the version of torch, and the batch, which memory may have cut short."""
        if not self.artist:
            return {}
        import torch

        return {"torch": torch.__version__.partition("+")[0], "batch": self.artist.painter.batch}

    def recall(self, made_with: dict) -> None:
        """Draw in batches of the size that a marker records, or of the recipe's."""
        if self.artist:
            self.artist.painter.resize(made_with.get("batch"))

    def _for_artist(self, rng: np.random.Generator) -> bool:
        """Whether a row is the model's; in a mix, a draw decides."""
        config = self.cfg.sketches
        return config.source == "diffusion" or rng.random() >= config.rendered_share

    def preview(self, row: dict) -> np.ndarray:
        """The picture with its skeleton; joints green where visible, red where hidden, grey outside."""
        picture = decode(row["image"])
        if picture is None:
            raise UserError(f"{row['sample_id']}: its picture {UNREADABLE}")
        return draw_skeleton(picture, row["joints2d"], row["visibility"])

    def _encode(self, image: np.ndarray) -> bytes:
        return png(image, _LEVEL) if self.cfg.sketches.image_format == "png" else jpeg(image, _QUALITY)


def ahead(pool: ThreadPoolExecutor, function: Callable, items: Iterable[tuple], count: int) -> Iterator[Any]:
    """The function's results of items, in order, of which the pool makes up to `count` before they are asked for."""
    jobs: deque[Future] = deque()
    for item in items:
        jobs.append(pool.submit(function, *item))
        if len(jobs) > count:
            yield jobs.popleft().result()
    yield from (job.result() for job in jobs)


def _noted(begun: Iterable[tuple[_Work, Any]], works: list[_Work]) -> Iterator[Any]:
    """The orders of what is begun, whose work is noted on the way."""
    for work, order in begun:
        works.append(work)
        if order:
            yield order


def head_turn(pose: np.ndarray) -> np.ndarray:
    """The head's rotation (3, 3) in the camera frame of a pose (24, 3)."""
    turns = matrix_from_axis_angle(np.asarray(pose, np.float64)[list(_SPINE_TO_HEAD)])
    return reduce(np.matmul, turns)
