"""The stage that decides who does what: a pose, a shape, a source and words for each sample."""

from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from manifests import schema
from manifests.randomness import split_of
from manifests.stage import Config, Context, Fact, Stage
from stages.body.model import BodyModel, load_body
from stages.body.rotations import axis_angle_from_matrix
from stages.body.shading import picture_of_pose
from stages.poses import facts
from stages.poses.capsules import Capsules, capsules_of
from stages.poses.captions import measured, words
from stages.poses.kinematics import place_joints
from stages.poses.sources import BadClip, Made, PoseSource, open_sources
from stages.poses.viewpoint import Stand, draw_stand, turn_in_world

_MOST_BETA = 2.0  # standard deviations; beyond them bodies become caricatures, which bone_scales do better
_DIGITS = 6


class _Draw(NamedTuple):
    """All that is random about a sample."""

    source: int
    what: Any
    stand: Stand
    betas: np.ndarray


class Poses(Stage):
    """Poses of several sources, mixed by weight. What a sample is follows from its id alone."""

    name = "poses"
    version = 5
    config = ("poses", "split")
    writes = schema.POSES
    told = facts.COLUMNS

    @classmethod
    def setup_on_node(cls, config: Config) -> None:
        """Compiles the loops once; workers find them in numba's cache."""
        cls(config).setup("cpu")

    def setup(self, device: str) -> None:
        """Opens the sources and makes one pose of each, so that the first sample takes no longer than the next."""
        rng = np.random.Generator(np.random.Philox(0))
        for source, config in zip(self._sources, self.cfg.poses.sources, strict=True):
            with suppress(BadClip):  # the samples that draw this clip say what is wrong with it
                if config.weight:
                    self._finish(source.make([source.draw(rng)]), [draw_stand(rng, self.cfg.poses)])

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        """One row for each sample id, whatever the others are."""
        names = table.column("sample_id").to_pylist()
        draws = [self._draw(ctx.rng(name)) for name in names]
        columns = {"sample_id": names, "source_id": [self._sources[d.source].name(d.what, n) for d, n in zip(draws, names, strict=True)]}
        columns["split"] = [split_of(source_id, self.cfg.split.val) for source_id in columns["source_id"]]
        return schema.to_table(schema.POSES, columns | self._make(draws))

    def preview(self, row: dict) -> np.ndarray:
        """The posed body from the front."""
        return picture_of_pose(self._body, row["pose_world"], row["betas"])

    def facts(self, table: pa.Table) -> list[Fact]:
        """Where poses come from, what the figures do, how joints bend."""
        return facts.of_poses(table)

    def _draw(self, rng: np.random.Generator) -> _Draw:
        source = int(np.searchsorted(self._weights, rng.random(), side="right"))
        what, stand = self._sources[source].draw(rng), draw_stand(rng, self.cfg.poses)
        return _Draw(source, what, stand, rng.normal(size=10))

    def _make(self, draws: list[_Draw]) -> dict:
        """Columns motion, pose_world, betas and reason."""
        out: dict = {"motion": [""] * len(draws), "reason": [""] * len(draws)}
        out["pose_world"] = np.zeros((len(draws), 24, 3))
        out["betas"] = np.clip(np.array([d.betas for d in draws]).reshape(len(draws), 10), -_MOST_BETA, _MOST_BETA)
        for source in sorted({d.source for d in draws}):
            rows = [i for i, d in enumerate(draws) if d.source == source]
            made = self._sources[source].make([draws[i].what for i in rows])
            out["pose_world"][rows], motion, reasons = self._finish(made, [draws[i].stand for i in rows])
            for i, text, reason, betas in zip(rows, motion, reasons, made.betas, strict=True):
                out["motion"][i], out["reason"][i] = text, reason
                out["betas"][i] = out["betas"][i] if betas is None else betas
        out["betas"] = out["betas"].round(_DIGITS)
        return out

    def _finish(self, made: Made, stands: list[Stand]) -> tuple[np.ndarray, list[str], list[str]]:
        """Poses (N, 24, 3) as they stand in the world, their words, and why each is rejected or empty."""
        turns = made.turns.copy()
        turns[:, 0] = turn_in_world(turns[:, 0], made.turn, stands)
        world, joints = place_joints(turns, self._rest)
        pose = axis_angle_from_matrix(turns).round(_DIGITS)
        reasons = [self._capsules.reason(depth, pair) for depth, pair in zip(*self._capsules.deepest(world, joints), strict=True)]
        motion = [words(m, *known) for m, known in zip(measured(joints), made.words, strict=True)]
        return pose, self._captioner.improve(motion, pose) if self._captioner else motion, reasons

    @cached_property
    def _sources(self) -> list[PoseSource]:
        return open_sources(self.cfg.poses.sources)

    @cached_property
    def _weights(self) -> np.ndarray:
        """Upper ends of the sources' shares of [0, 1)."""
        weights = np.array([config.weight for config in self.cfg.poses.sources])
        return np.cumsum(weights / weights.sum())[:-1]

    @cached_property
    def _captioner(self):
        if self.cfg.poses.captioner is None:
            return None
        from stages.poses.blip import Captioner  # torch and transformers, for those alone who ask for it

        return Captioner(self.cfg.poses.captioner, self._body)

    @cached_property
    def _capsules(self) -> Capsules:
        return capsules_of(self._body)

    @cached_property
    def _rest(self) -> np.ndarray:
        return self._body.rest_points(np.zeros(10))[:24]

    @cached_property
    def _body(self) -> BodyModel:
        """The bundled body: words must not change with the user's body file, which this stage does not declare."""
        return load_body()
