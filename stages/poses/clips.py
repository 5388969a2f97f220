"""A folder of recordings as a sorted catalogue of clips; each is read when it is wanted, the last few are kept."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import get_args

import numpy as np

from manifests.errors import UserError
from manifests.recipe import AmassSource, BvhSource, ClipSource, DeepMimicSource, Gender
from stages.body.model import load_body
from stages.poses.amass import gender_of, read_amass
from stages.poses.bvh import read_bvh
from stages.poses.deepmimic import is_deepmimic, read_deepmimic
from stages.poses.kinematics import without_heading
from stages.poses.naming import bundled_maps, choose_map
from stages.poses.retarget import Retargeted, retarget

_KEPT = 16  # clips in memory; a partition asks for its clips one after the other
_ENDING = {"bvh": ".bvh", "deepmimic": ".txt", "amass": ".npz"}
_NO_MOTION = ("shape.npz", "neutral_stagei.npz", "male_stagei.npz", "female_stagei.npz")  # AMASS keeps them beside its recordings


@dataclass(frozen=True, eq=False)
class Clip:
    """turns (T, 24, 3, 3): SMPL's local rotations, y up, without heading. betas (10,) of the person; gender: word."""

    turns: np.ndarray
    betas: np.ndarray
    gender: str


class Catalogue:
    """The clips of one source. paths: files by name, which is the path below the source's folder without its ending; names: sorted."""

    def __init__(self, source: ClipSource):
        self.source = source
        self.paths = {_name(path, source.path): path for path in _files(source)}
        self.names = sorted(self.paths)
        self._kept = lru_cache(_KEPT)(lambda name: _read(self.paths[name], source))

    def read(self, name: str) -> Clip:
        """A clip. Raises UserError naming the file and what is wrong with it."""
        return self._kept(name)

    def retargeted(self, name: str) -> Retargeted:
        """A clip of a skeleton with what was guessed about it and how well its bones were met."""
        return _retargeted(self.paths[name], self.source)


def _files(source: ClipSource) -> list[Path]:
    """Files of the source, sorted by name. Raises UserError where there are none, or a name is no UTF-8, as source ids are."""
    path, ending = source.path, _ENDING[source.kind]
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix.lower() == ending and p.is_file())
    files = [p for p in files if p.name not in _NO_MOTION and _is_wanted(p, source)]
    if not files:
        raise UserError(f"{path}: holds no {source.kind} recordings ({ending}) that the recipe wants")
    for file in files:
        name = _name(file, path)
        if name.encode(errors="ignore").decode() != name:
            raise UserError(f"{str(file)!r}: its name is not UTF-8; rename it")
    return files


def _is_wanted(path: Path, source: ClipSource) -> bool:
    if isinstance(source, AmassSource):
        every = set(source.genders) == set(get_args(Gender))
        return every or gender_of(path) in source.genders
    return source.kind != "deepmimic" or is_deepmimic(path)


def _name(path: Path, root: Path) -> str:
    return path.stem if path == root else path.relative_to(root).with_suffix("").as_posix()


def _read(path: Path, source: ClipSource) -> Clip:
    if isinstance(source, AmassSource):
        recording = read_amass(path, source.rate, source.up)
        return Clip(without_heading(recording.turns), recording.betas, recording.gender)
    return Clip(without_heading(_retargeted(path, source).turns), np.zeros(10), "unknown")


def _retargeted(path: Path, source: ClipSource) -> Retargeted:
    rest = load_body().rest_points(np.zeros(10))[:24]
    if isinstance(source, DeepMimicSource):
        motion = read_deepmimic(path, source.rate)
        return retarget(motion, bundled_maps()["deepmimic"].match(motion.names), rest, "y")
    assert isinstance(source, BvhSource)
    motion = read_bvh(path, source.rate)
    names, roles = choose_map(str(path), motion.names, source.names)
    return retarget(motion.without_first(names.skip), roles, rest, source.up)
