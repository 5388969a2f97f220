"""A handful of stick figures with true labels, packed as shards."""

import hashlib
from dataclasses import fields
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from estimator.sample import from_hips
from manifests import schema
from manifests.dataset import FILE, make_index
from manifests.recipe import Estimator
from manifests.sample import SCORES
from manifests.skeleton import BODY_PARTS, EDGES
from stages.body.camera import intrinsics, project
from stages.body.model import BodyModel, load_body
from stages.filters.fingerprint import fingerprint
from stages.projections import labels
from stages.shards.index import layout
from stages.shards.stage import write_shard
from stages.shards.tar import write_end, write_member

SIZE = 96
FAR = 8.0  # metres from the camera
TINY = Estimator(size=64, width=8, steps=6, batch=4, checkpoint_every=2)


@cache
def _body() -> BodyModel:
    return load_body()


def stick_row(number: int, split: str) -> dict:
    """A row with every column of a sample: a random pose of odd proportions before a camera, drawn as lines."""
    rng = np.random.default_rng(number)
    pose, betas, scales = rng.normal(0, 0.3, (24, 3)), rng.normal(0, 1, 10), np.exp(rng.normal(0, 0.1, 24))
    pose[0] = (Rotation.from_euler("x", 180, degrees=True) * Rotation.from_rotvec(rng.normal(0, 0.4, 3))).as_rotvec()
    camera_K, place = intrinsics(0.32 * SIZE * FAR, SIZE), (0, 0, FAR)
    joints3d, drawn = (_body().joints(pose, betas, s)[1] for s in (None, scales))
    joints3d, drawn = from_hips(joints3d) + place, from_hips(drawn) + place
    joints2d = project(drawn, camera_K)
    row = {f.name: np.zeros(schema.shape_of(f), f.type.value_type.to_pandas_dtype()) for f in schema.PROJECTIONS if b"shape" in f.metadata}
    seen = {
        "pose": pose, "betas": betas, "bone_scales": scales, "joints3d": joints3d, "joints3d_drawn": drawn, "joints2d": joints2d,
        "camera_K": camera_K, "camera_R": Rotation.from_rotvec(rng.normal(0, 1, 3)).as_matrix(), "camera_t": place,
        "bbox": [*joints2d.min(0), *joints2d.max(0)], "depth_step": labels.depth_step(drawn),
        "foreshortening": labels.foreshortening(drawn),
    }  # fmt: skip
    row |= {name: np.asarray(value, np.float32) for name, value in seen.items()} | {"visibility": np.full(16, 2, np.uint8)}
    row |= {"limb_order": labels.limb_order(drawn, camera_K), "contacts": _contacts(rng)}
    style = ("ink", "stick")[number % 2]
    words = dict.fromkeys(("proportions", "appearance", "motion", "generator"), "-")
    sketch = stick_picture(joints2d)
    picture, (digest, thumbnail) = cv2.imencode(".png", sketch)[1].tobytes(), fingerprint(sketch)
    row |= words | {"sample_id": f"{style}-{number:06d}", "style": style, "split": split, "source_id": f"clip-{number}"}
    return row | dict.fromkeys(SCORES, 0.5) | {
        "image": picture, "image_format": "png", "image_bytes": len(picture), "noise_seed": -1,
        "picture_hash": digest, "thumbnail": thumbnail,
    }  # fmt: skip


def _contacts(rng: np.random.Generator) -> np.ndarray:
    """Any symmetric matrix: what really touches plays no part in reading and writing."""
    upper = np.triu(rng.random((len(BODY_PARTS), len(BODY_PARTS))) < 0.05, 1)
    return (upper | upper.T).astype(np.uint8)


def stick_picture(joints2d: np.ndarray) -> np.ndarray:
    image = np.full((SIZE, SIZE, 3), 255, np.uint8)
    for start, end in EDGES:
        a, b = (tuple(int(v) for v in (joints2d[joint] - 0.5).round()) for joint in (start, end))
        cv2.line(image, a, b, (60, 60, 60) if start in (2, 3, 8, 9, 10) else (160, 60, 0), 2, cv2.LINE_AA)
    return image


def write_members(path: Path, members: dict[str, bytes]) -> None:
    """A tar of whatever members."""
    with path.open("wb") as file:
        for name, data in members.items():
            write_member(file, name, data)
        write_end(file)


def write_index(folder: Path, counts: dict[str, int]) -> None:
    """The index of shards that lie in a folder: samples by name."""
    shards = []
    for name, samples in counts.items():
        data = (folder / name).read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        shards.append({"shard": name, "split": name.partition("-")[0], "samples": samples, "bytes": len(data), "sha256": sha256})
    total = sum(counts.values())
    tally = {"outcome": "kept", "stage": "", "reason": "", "style": "ink", "split": "train", "samples": total}
    words = dict.fromkeys(("url", "published"), "") | {"name": "sticks", "title": "Sticks", "licence": "CC0-1.0"}
    numbers = {"seed": 0, "planned": total, "samples": total, "image_size": SIZE, "image_format": "png"}
    lists = {"creators": (), "generators": ("-",), "tallies": [tally], "verdicts": (), "recipe": {}}
    (folder / FILE).write_bytes(make_index(**words, **numbers, **lists, **layout(), shards=shards).to_bytes())


def write_dataset(folder: Path, numbers: dict[str, range]) -> Path:
    """A shard of stick figures for each split."""
    return write_rows(folder, {split: [stick_row(number, split) for number in chosen] for split, chosen in numbers.items()})


def write_rows(folder: Path, rows: dict[str, list[dict]]) -> Path:
    """A shard of whatever rows for each split."""
    folder.mkdir(parents=True)
    for split, chosen in rows.items():
        with (folder / f"{split}-000000.tar").open("wb") as file:
            write_shard(file, chosen)
    write_index(folder, {f"{split}-000000.tar": len(chosen) for split, chosen in rows.items()})
    return folder


def flat(sample) -> bytes:
    return b"".join(v.tobytes() for v in (getattr(sample, f.name) for f in fields(sample)) if isinstance(v, np.ndarray))
