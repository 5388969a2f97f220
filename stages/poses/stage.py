"""The stage that decides who does what: a pose, a shape, a source and words for each sample."""

from functools import cached_property

import numpy as np
import pyarrow as pa

from manifests import schema
from manifests.randomness import split_of
from manifests.recipe import Poses as PosesConfig
from manifests.stage import Context, Stage
from stages.body.model import BodyModel, load_body
from stages.body.rotations import about, axis_angle_from_matrix, matrix_from_axis_angle
from stages.body.shading import picture_of_pose
from stages.poses.anatomy import pose_from_angles
from stages.poses.archetypes import draw_figure
from stages.poses.captions import caption

_MOST_BETA = 2.0  # standard deviations; beyond them bodies become caricatures, which bone_scales do better
_DIGITS = 6


class Poses(Stage):
    """Poses from joint ranges and archetypes; every sample is a source of its own."""

    name = "poses"
    version = 1
    config = ("poses", "split")
    writes = schema.POSES

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        """One row for each sample id, whatever the others are."""
        rows = [self._draw(name, ctx.rng(name)) for name in table.column("sample_id").to_pylist()]
        return schema.to_table(schema.POSES, {field.name: [row[field.name] for row in rows] for field in schema.POSES})

    def preview(self, row: dict) -> np.ndarray:
        """The posed body from the front."""
        return picture_of_pose(self._body, np.reshape(row["pose_world"], (24, 3)), np.asarray(row["betas"]))

    def _draw(self, sample_id: str, rng: np.random.Generator) -> dict:
        source_id = f"{self.cfg.poses.source}-{sample_id}"
        figure = draw_figure(rng)
        pose = pose_from_angles(figure.angles)
        pose[0] = axis_angle_from_matrix(turn_in_world(rng, self.cfg.poses, figure.turn) @ matrix_from_axis_angle(pose[0]))
        return {
            "sample_id": sample_id,
            "source_id": source_id,
            "split": split_of(source_id, self.cfg.split.val),
            "motion": caption(self._body.joints(pose, np.zeros(10))[0], figure.action, figure.gestures),
            "pose_world": pose.round(_DIGITS),
            "betas": np.clip(rng.normal(size=10), -_MOST_BETA, _MOST_BETA).round(_DIGITS),
            "reason": "",
        }

    @cached_property
    def _body(self) -> BodyModel:
        """The bundled body: words must not change with the user's body file, which this stage does not declare."""
        return load_body()


def turn_in_world(rng: np.random.Generator, config: PosesConfig, best_turn: float) -> np.ndarray:
    """World turn (3, 3) of a figure best seen from `best_turn` degrees: its facing about the upright, after a slight lean."""
    facing = rng.normal(best_turn, config.facing_deg)
    if rng.random() < config.back_share:
        facing = rng.uniform(-180, 180)
    towards, lean = rng.uniform(0, 2 * np.pi), np.radians(rng.normal(0, config.lean_deg))
    tilt = matrix_from_axis_angle(lean * np.array([np.cos(towards), 0.0, np.sin(towards)]))
    return about("y", np.radians(facing)) @ tilt
