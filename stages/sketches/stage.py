"""The sketches stage: every projected row becomes a picture in the row's style."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
    """A row's encoded picture, or the order for one; what the figure looks like; who draws."""

    image: bytes
    order: Any
    phrase: str
    maker: str


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
        begun = [self._begin(row, ctx.rng(row["sample_id"])) for row in rows]
        painted = self._painted([work.order for work in begun if work.order])
        images = [next(painted) if work.order else work.image for work in begun]
        columns = {
            "sample_id": [row["sample_id"] for row in rows],
            "image": images,
            "image_bytes": [len(image) for image in images],
            "image_format": [self.cfg.sketches.image_format] * len(rows),
            "appearance": [work.phrase for work in begun],
            "generator": [work.maker for work in begun],
            "noise_seed": [work.order.seed if work.order else _NO_NOISE for work in begun],
            "reason": [""] * len(rows),
        }
        return schema.to_table(schema.SKETCHES, columns)

    def _begin(self, row: dict[str, Any], rng: np.random.Generator) -> "_Work":
        """What the renderer draws at once, or an order for the model."""
        if self.artist and self._for_artist(rng):
            order, phrase = self.artist.order(row, rng)
            return _Work(b"", order, phrase, self.artist.name)
        size = self.cfg.get("projections.size")
        figure = figure_of_row(self.body, row, UNITS, UNITS / size)
        drawing = draw(figure, row["style"], rng, head_turn(row["pose"]), size)
        return _Work(self._encode(drawing.image), None, drawing.appearance, "renderer")

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

    def _painted(self, orders: list) -> Iterator[bytes]:
        """Encoded pictures; while the model draws one batch, another thread encodes the batch before."""
        if not self.artist or not orders:
            return
        with ThreadPoolExecutor(1) as encoder:
            yield from [job.result() for job in [encoder.submit(self._encode, picture) for picture in self.artist.pictures(orders)]]

    def preview(self, row: dict) -> np.ndarray:
        """The picture with its skeleton; joints green where visible, red where hidden, grey outside."""
        picture = decode(row["image"])
        if picture is None:
            raise UserError(f"{row['sample_id']}: its picture {UNREADABLE}")
        return draw_skeleton(picture, row["joints2d"], row["visibility"])

    def _encode(self, image: np.ndarray) -> bytes:
        return png(image, _LEVEL) if self.cfg.sketches.image_format == "png" else jpeg(image, _QUALITY)


def head_turn(pose: np.ndarray) -> np.ndarray:
    """The head's rotation (3, 3) in the camera frame of a pose (24, 3)."""
    turns = matrix_from_axis_angle(np.asarray(pose, np.float64)[list(_SPINE_TO_HEAD)])
    return reduce(np.matmul, turns)
