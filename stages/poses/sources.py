"""Where a pose may come from, each behind the same three questions: draw a number of it, make the poses, name the source."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from manifests.errors import UserError
from manifests.recipe import AmassSource, ClipSource, LimitsSource, PriorSource, Source
from stages.poses import widen
from stages.poses.anatomy import turns_from_angles
from stages.poses.archetypes import Drawn, draw_figure
from stages.poses.clips import Catalogue, Clip
from stages.poses.kinematics import mirrored
from stages.poses.prior import load_prior


class Made(NamedTuple):
    """turns (N, 24, 3, 3): local rotations, y up. turn (N,): degrees from which each is best seen; nan: read it off the pose.

    words: action and gestures, empty where the rules shall find them. betas: (10,) of the clip's person, or None to draw them.
    """

    turns: np.ndarray
    turn: np.ndarray
    words: list[tuple[str, tuple[str, ...]]]
    betas: list[np.ndarray | None]


class PoseSource(Protocol):
    """A draw holds all that is random about a pose and costs next to nothing; making poses of many draws is the work."""

    def draw(self, rng: np.random.Generator) -> Any:
        """What is random about one pose."""
        ...

    def name(self, draw: Any, sample_id: str) -> str:
        """The source id: clip, or draw. The split is a hash of it."""
        ...

    def make(self, draws: list[Any]) -> Made:
        """The poses, each as if it were alone."""
        ...


def open_sources(configs: Sequence[Source]) -> list[PoseSource]:
    """The sources that a recipe names. Raises UserError where their files are not there or make no sense, or where one recording would
    be two sources, which may lie on two sides of the split."""
    sources = [_open(config) for config in configs]
    clips = [source for source in sources if isinstance(source, Clips)]
    known: dict[Path, str] = {}
    for path, source_id in (item for source in clips if len(clips) > 1 for item in source.ids().items()):
        if known.setdefault(path, source_id) != source_id:
            raise UserError(f"{path}: is {known[path]} of one source and {source_id} of another; name folders of which none is in another")
    return sources


def _open(config: Source) -> PoseSource:
    if isinstance(config, LimitsSource):
        return Limits()
    return LearnedPrior(config) if isinstance(config, PriorSource) else Clips(config)


class Limits:
    """Stances and gestures; every sample is a source of its own."""

    def draw(self, rng: np.random.Generator) -> Drawn:
        return draw_figure(rng)

    def name(self, draw: Drawn, sample_id: str) -> str:
        return f"limits-{sample_id}"

    def make(self, draws: list[Drawn]) -> Made:
        turns = turns_from_angles(np.array([d.angles for d in draws]))
        return Made(turns, np.array([d.turn for d in draws]), [(d.action, d.gestures) for d in draws], [None] * len(draws))


class LearnedPrior:
    """Draws of the prior; every sample is a source of its own."""

    def __init__(self, config: PriorSource):
        self._widen, self._prior = config.widen, load_prior(config.path)

    def draw(self, rng: np.random.Generator) -> widen.Draw:
        return widen.draw(rng, self._widen)

    def name(self, draw: widen.Draw, sample_id: str) -> str:
        return f"prior-{sample_id}"

    def make(self, draws: list[widen.Draw]) -> Made:
        return _unworded(widen.poses(self._prior, draws), [None] * len(draws))


class BadClip(Exception):
    """A clip that cannot be read when a sample wants it. It fails the samples that drew it, not the run."""


class _Frame(NamedTuple):
    """clip: index in the catalogue. at: place in the clip, 0 to 1."""

    clip: int
    at: float
    mirror: bool


class Clips:
    """Frames of recordings; the source of a sample is the clip."""

    def __init__(self, config: ClipSource):
        self._config, self._clips = config, Catalogue(config)
        self._read(0)  # names that do not fit a folder's joints, most of all, show in its first file

    def draw(self, rng: np.random.Generator) -> _Frame:
        clip, at, mirror = rng.random(3)
        return _Frame(int(clip * len(self._clips.names)), float(at), bool(self._config.mirror and mirror < 0.5))

    def name(self, draw: _Frame, sample_id: str) -> str:
        return self._id(self._clips.names[draw.clip])

    def ids(self) -> dict[Path, str]:
        """The source id of each file."""
        return {path.resolve(): self._id(name) for name, path in self._clips.paths.items()}

    def _id(self, clip: str) -> str:
        return f"{self._config.kind}-{clip}"

    def make(self, draws: list[_Frame]) -> Made:
        turns, betas = np.empty((len(draws), 24, 3, 3)), [None] * len(draws)
        for i in sorted(range(len(draws)), key=lambda i: draws[i].clip):  # a clip is read once, however many want it
            try:
                clip = self._read(draws[i].clip)
            except UserError as e:
                raise BadClip(str(e)) from None
            turns[i] = clip.turns[int(draws[i].at * len(clip.turns))]
            betas[i] = self._betas(clip)
        flipped = np.array([d.mirror for d in draws], bool)
        turns[flipped] = mirrored(turns[flipped])
        return _unworded(turns, betas)

    def _betas(self, clip: Clip):
        return clip.betas if isinstance(self._config, AmassSource) and self._config.betas == "clip" else None

    def _read(self, index: int) -> Clip:
        return self._clips.read(self._clips.names[index])


def _unworded(turns: np.ndarray, betas: list) -> Made:
    return Made(turns, np.full(len(turns), np.nan), [("", ())] * len(turns), betas)
