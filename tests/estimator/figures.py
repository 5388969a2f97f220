"""A handful of stick figures with true labels, packed as shards."""

import io
import json
import tarfile
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from estimator.data import from_hips
from manifests import schema
from manifests.recipe import Estimator
from manifests.sample import encode_sample
from manifests.skeleton import EDGES
from stages.body.model import load_body

SIZE = 96
TINY = Estimator(size=64, width=8, steps=6, batch=4, checkpoint_every=2)


def stick_row(number: int, split: str) -> dict:
    """A row with every column of a sample: a random pose, seen in weak perspective, drawn as lines."""
    rng = np.random.default_rng(number)
    pose = rng.normal(0, 0.3, (24, 3))
    pose[0] = (Rotation.from_euler("x", 180, degrees=True) * Rotation.from_rotvec(rng.normal(0, 0.4, 3))).as_rotvec()
    betas = rng.normal(0, 1, 10)
    joints3d = load_body().joints(pose, betas)[1]
    joints2d = from_hips(joints3d)[:, :2] * 0.32 * SIZE + SIZE / 2
    row = {f.name: np.zeros(schema.shape_of(f), f.type.value_type.to_pandas_dtype()) for f in schema.PROJECTIONS if b"shape" in f.metadata}
    labels = {"pose": pose, "betas": betas, "joints3d": joints3d, "joints3d_drawn": joints3d, "joints2d": joints2d}
    row |= {name: value.astype(np.float32) for name, value in labels.items()} | {"visibility": np.full(16, 2, np.uint8)}
    style = ("ink", "stick")[number % 2]
    words = dict.fromkeys(("proportions", "text_style", "appearance", "motion", "generator"), "-")
    picture = cv2.imencode(".png", stick_picture(joints2d))[1].tobytes()
    row |= words | {"sample_id": f"{style}-{number:06d}", "style": style, "split": split, "source_id": f"clip-{number}"}
    return row | {"score_ink": 0.1, "image": picture, "image_format": "png"}


def stick_picture(joints2d: np.ndarray) -> np.ndarray:
    image = np.full((SIZE, SIZE, 3), 255, np.uint8)
    for start, end in EDGES:
        a, b = (tuple(int(v) for v in (joints2d[joint] - 0.5).round()) for joint in (start, end))
        cv2.line(image, a, b, (60, 60, 60) if start in (2, 3, 8, 9, 10) else (160, 60, 0), 2, cv2.LINE_AA)
    return image


def write_shard(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def write_index(folder: Path, shards: dict[str, str]) -> None:
    listed = [{"shard": name, "split": split, "bytes": (folder / name).stat().st_size} for name, split in shards.items()]
    (folder / "dataset.json").write_text(json.dumps({"schema_version": 1, "shards": listed}))


def write_dataset(folder: Path, numbers: dict[str, range]) -> Path:
    folder.mkdir(parents=True)
    for split, chosen in numbers.items():
        rows = [stick_row(number, split) for number in chosen]
        members = {f"{row['sample_id']}.{ext}": data for row in rows for ext, data in encode_sample(row).items()}
        write_shard(folder / f"{split}-000000.tar", members)
    write_index(folder, {f"{split}-000000.tar": split for split in numbers})
    return folder


def flat(sample) -> bytes:
    return b"".join(v.tobytes() for v in (getattr(sample, f.name) for f in fields(sample)) if isinstance(v, np.ndarray))
