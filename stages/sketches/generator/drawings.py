"""Fills the library with drawings of the renderer and what is known of each. Several processes can fill one; a cut-off one goes on."""

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import torch

from manifests.errors import UserError
from manifests.recipe import Recipe
from manifests.schema import to_numpy
from manifests.skeleton import STYLES
from stages.body.figure import make_figure
from stages.body.model import load_body
from stages.pictures import png
from stages.sketches.drawing.layer import UNITS
from stages.sketches.generator.conditions import MAPS, part_map
from stages.sketches.generator.config import Profile
from stages.sketches.labels import BODY
from stages.sketches.studio import Studio, drawn_by, recipe_of
from stages.tensorfile import packed, write_atomically, write_tensors

SPLITS = ("train", "val")
LABEL = "library.json"
_DRAWN = (128, 256, 512)  # sides of pictures that the stages can make


def fill(library: Path, profile: Profile, log: Callable[[str], None] = print) -> None:
    """Draw what the profile asks for and the library lacks, with as many processes as the profile has threads."""
    recipe = recipe_of(profile.seed, side_of(profile.networks.size))
    claim(library, recipe, profile.each)
    jobs = [(library, split, i, profile.each, recipe) for split, count in _wanted(profile).items() for i in range(count)]
    jobs = [job for job in jobs if not chunk_path(*job[:3]).exists()]
    if not jobs:
        return
    log(f"{library}: {len(jobs)} chunks of {profile.each * len(STYLES)} drawings to draw")
    if profile.threads < 2:
        for job in jobs:
            _draw(job)
        return
    with multiprocessing.get_context("spawn").Pool(profile.threads, _settle) as pool:
        for done, _ in enumerate(pool.imap_unordered(_draw, jobs), 1):
            if done % 20 == 0 or done == len(jobs):
                log(f"{library}: {done} of {len(jobs)} chunks drawn")


def side_of(size: int) -> int:
    """Side of the pictures to draw for a model of this size: never smaller, if there is such a one."""
    return next((side for side in _DRAWN if side >= size), _DRAWN[-1])


def chunk_path(library: Path, split: str, index: int) -> Path:
    """File of a chunk."""
    return library / split / f"chunk-{index:05d}.safetensors"


def claim(library: Path, recipe: Recipe, each: int) -> None:
    """Mark a library as drawn from this recipe by the renderer as it is now; one of another recipe or renderer is refused."""
    words = {"drawn_by": drawn_by(recipe, MAPS), "size": recipe.projections.size, "each": each}
    for split in SPLITS:
        (library / split).mkdir(parents=True, exist_ok=True)
    label = library / LABEL
    if not label.exists():
        write_atomically(label, json.dumps(words).encode() + b"\n")
    if json.loads(label.read_bytes()) != words:
        raise UserError(f"{library}: drawn from another recipe or by another renderer; name another folder, or remove this one")


def write_chunk(path: Path, pictures: list[bytes], maps: list[bytes], arrays: dict[str, np.ndarray], words: dict) -> None:
    """pictures, maps: encoded; arrays: joints (n, 16, 2) px, depth (n, 16), styles (n,); words: ids, appearance, motion."""
    (data, ends), (map_data, map_ends) = packed(pictures), packed(maps)
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    write_tensors(path, {"pictures": data, "ends": ends, "maps": map_data, "map_ends": map_ends, **tensors}, words)


def _wanted(profile: Profile) -> dict[str, int]:
    """Chunks of each split."""
    size = profile.each * len(STYLES)
    return {"train": -(-profile.pictures // size), "val": -(-profile.held // size)}


def _draw(job: tuple[Path, str, int, int, Recipe]) -> None:
    library, split, index, each, recipe = job
    path = chunk_path(library, split, index)
    if not path.exists():
        _store(path, _studio(recipe).chunk(index, split, each))


_STUDIOS: dict[str, Studio] = {}


def _studio(recipe: Recipe) -> Studio:
    """One studio a process, kept from chunk to chunk."""
    key = recipe.model_dump_json()
    if key not in _STUDIOS:
        _STUDIOS[key] = Studio(recipe)
    return _STUDIOS[key]


def _store(path: Path, table: pa.Table) -> None:
    size = _size_of(path)
    styles = table["style"].to_pylist()
    arrays = {
        "joints": to_numpy(table, "joints2d").astype(np.float32),
        "depth": to_numpy(table, "joints3d_drawn")[..., 2].astype(np.float32),
        "visibility": to_numpy(table, "visibility"),
        "styles": np.array([STYLES.index(style) for style in styles], np.uint8),
    }
    names = {"ids": "sample_id", "appearance": "appearance", "motion": "motion"}
    words = {key: table[name].to_pylist() for key, name in names.items()}
    write_chunk(path, table["image"].to_pylist(), _maps(table, size), arrays, words)


def _size_of(path: Path) -> int:
    return int(json.loads((path.parent.parent / LABEL).read_bytes())["size"])


def _maps(table: pa.Table, size: int) -> list[bytes]:
    """The part map of each row, 256 pixels a side whatever the picture's size, as PNG."""
    body, labels = load_body(), {name: to_numpy(table, name) for name in BODY}
    scale = np.diag([UNITS / size] * 2 + [1])
    maps = []
    for i in range(len(table)):
        row = {name: column[i] for name, column in labels.items()}
        figure = make_figure(body, **{**row, "camera_K": scale @ row["camera_K"]}, size=UNITS)
        maps.append(png(part_map(figure), 4))
    return maps


def _settle() -> None:
    """A drawing process has one thread and gives way to the training."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    os.nice(5)
