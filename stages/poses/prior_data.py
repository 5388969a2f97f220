"""Poses to train and to judge the prior on: frames of clips, some clips held out whole, and archetypes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from manifests.randomness import split_of
from manifests.recipe import AmassSource, BvhSource, ClipSource, DeepMimicSource
from stages.body.rotations import matrix_from_axis_angle
from stages.poses.anatomy import pose_from_angles
from stages.poses.archetypes import draw_figure
from stages.poses.clips import Catalogue
from stages.poses.kinematics import mirrored, without_heading

HELD_OUT = 0.2  # of the clips, by the hash that splits datasets: a dataset's val clips are not trained on where its share is less
_SOURCES: dict[str, type[ClipSource]] = {"bvh": BvhSource, "deepmimic": DeepMimicSource, "amass": AmassSource}  # type: ignore[dict-item]


@dataclass(frozen=True, eq=False)
class Frames:
    """turns (N, 24, 3, 3) without heading, how often to show each (N,), and the clip (N,) it comes from."""

    turns: np.ndarray
    shown: np.ndarray
    clip: np.ndarray


def load_frames(sources: list[str], rate: float) -> tuple[Frames, Frames]:
    """Frames for training, mirrored too, and held-out ones, of sources written `kind:path`. A bad file is left out and named."""
    if not 0 < rate <= 1000:
        raise UserError(f"--rate {rate}: expected more than 0 and at most 1000 frames a second")
    train: list[tuple[str, np.ndarray]] = []
    held: list[tuple[str, np.ndarray]] = []
    for name, turns in _clips(sources, rate):
        (held if split_of(name, HELD_OUT) == "val" else train).append((name, turns))
    if not train or not held:
        raise UserError(f"{', '.join(sources)}: too few clips to train on some and hold out others")
    return _frames(train, with_mirrored=True), _frames(held, with_mirrored=False)


def draw_archetypes(count: int, seed: int) -> np.ndarray:
    """Poses (count, 24, 3, 3) of the limits source."""
    rng = np.random.default_rng(seed)
    poses = np.array([pose_from_angles(draw_figure(rng).angles) for _ in range(count)]).reshape(count, 24, 3)  # none, too
    return without_heading(matrix_from_axis_angle(poses))


def _clips(sources: list[str], rate: float):
    for text in sources:
        kind, _, path = text.partition(":")
        if kind not in _SOURCES or not path:
            raise UserError(f"{text}: expected kind:path, kind one of {', '.join(_SOURCES)}")
        catalogue = Catalogue(_SOURCES[kind](kind=kind, path=Path(path), rate=rate))  # type: ignore[arg-type]
        for name in catalogue.names:
            try:
                yield f"{kind}-{name}", catalogue.read(name).turns
            except UserError as e:
                print(f"left out: {e}")


def _frames(clips: list[tuple[str, np.ndarray]], with_mirrored: bool) -> Frames:
    """A clip twice as long counts less than twice: its frames are more alike."""
    turns = np.concatenate([t for _, t in clips])
    shown = np.concatenate([np.full(len(t), len(t) ** -0.5) for _, t in clips])
    clip = np.concatenate([np.full(len(t), name) for name, t in clips])
    if with_mirrored:
        turns, shown, clip = np.concatenate([turns, mirrored(turns)]), np.tile(shown, 2), np.tile(clip, 2)
    return Frames(turns, shown / shown.sum(), clip)
