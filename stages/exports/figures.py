"""A dataset's samples with the keypoints that other formats want, which follow from body, pose and camera."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from manifests.dataset import FILE, Dataset, ShardFile
from manifests.errors import UserError
from stages.body.camera import project
from stages.body.figure import Figure, figure_of_row
from stages.body.model import load_body
from stages.body.regressors import regressor
from stages.shards.read import decoded, opened, packed_samples


def folder_for(out: Path) -> Path:
    """The folder, made where it is not there. Raises UserError where it holds a dataset, whose shards would be written over."""
    if (out / FILE).exists():
        raise UserError(f"{out}: a dataset lies there, and its shards would be written over; export into a folder of its own")
    out.mkdir(parents=True, exist_ok=True)
    return out


@dataclass(frozen=True)
class Exported:
    """A sample on its way out. image: encoded; extension: png or jpg; size: pixels a side; words and labels as in the shard."""

    sample_id: str
    split: str
    image: bytes
    extension: str
    size: int
    words: dict[str, Any]
    labels: dict[str, np.ndarray]


class Body:
    """The body that a dataset was made with."""

    def __init__(self, dataset: Dataset, path: Path | None):
        """Raises UserError where the dataset was made with a body file and `path` names none, or with another body than this."""
        name = dataset.index.recipe.get("body.path")
        if name and path is None:
            raise UserError(f"{dataset.url}: made with the body file {name}; name it with --body")
        self.model, self._path = load_body(path), path
        first = next((sample.labels for shard in dataset.index.shards for sample in exported(dataset, shard)), None)
        if first and not self.model.owns(first["pose"], first["betas"], first["joints3d"]):
            raise UserError(f"{dataset.url}: made with another body than {path or 'the bundled one'}; name its own with --body")

    def rows(self, convention: str) -> np.ndarray:
        """The regressor (K, V) of a keypoint convention."""
        return regressor(convention, self._path)

    def drawn(self, sample: Exported) -> Figure:
        """The figure as it was drawn: vertices in the camera frame, buffers, camera."""
        return figure_of_row(self.model, sample.labels, sample.size)

    def undistorted(self, sample: Exported) -> np.ndarray:
        """Vertices (V, 3) of the body with its own proportions, camera frame, metres."""
        pose, betas, transl = (sample.labels[n].astype(np.float64) for n in ("pose", "betas", "transl"))
        return self.model.vertices(pose, betas) + transl


def exported(dataset: Dataset, shard: ShardFile) -> Iterator[Exported]:
    """The samples of a shard. Raises BadShard."""
    address = dataset.address(shard.shard)
    with dataset.open(shard.shard) as file:
        for packed in packed_samples(file, address):
            words, labels = opened(packed)
            size = decoded(packed, "picture", partial(_width, packed.image))
            yield Exported(packed.sample_id, shard.split, packed.image, dataset.index.image_format, size, words, labels)


def keypoints2d(rows: np.ndarray, figure: Figure) -> np.ndarray:
    """Keypoints (K, 2) px of a regressor (K, V) on a figure."""
    return project(rows @ figure.vertices, figure.camera_K)


def _width(picture: bytes) -> int:
    with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG")) as header:
        return header.size[0]
