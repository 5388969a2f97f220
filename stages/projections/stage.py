"""The stage that draws proportions and a camera for each pose, and works out every label."""

from functools import cached_property

import numpy as np
import pyarrow as pa

from manifests import schema
from manifests.stage import Config, Context, Fact, Stage
from stages.body.camera import projected_box
from stages.body.contacts import ContactFinder
from stages.body.figure import Figure, figure_of, figure_of_row
from stages.body.model import BodyModel, Posed, load_body
from stages.body.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from stages.body.shading import draw_box, draw_skeleton, shade
from stages.projections import facts, labels
from stages.projections.framing import View, draw_view, place
from stages.projections.proportions import draw_proportions

# Decimal digits kept of metres, pixels and the rest: coarser than what differs between two machines' arithmetic.
_METRES, _PIXELS, _OTHER = 5, 3, 6
SELF_PENETRATION = "body passes through itself"


class Projections(Stage):
    """Proportions, camera and labels. Everything drawn follows from the labels as stored, digit for digit."""

    name = "projections"
    version = 3
    config = ("body", "projections")
    reads = ("pose_world", "betas")
    writes = schema.PROJECTIONS
    told = facts.COLUMNS

    @classmethod
    def setup_on_node(cls, config: Config) -> None:
        """Compiles the loops once; workers find them in numba's cache."""
        cls(config).setup("cpu")

    def setup(self, device: str) -> None:
        """Reads the body and makes one figure, so that the first sample takes no longer than the next."""
        self._project(np.zeros((24, 3)), np.zeros(10), np.random.Generator(np.random.Philox(0)))

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        """One row for each pose, whatever the others are."""
        poses, betas = schema.to_numpy(table, "pose_world"), schema.to_numpy(table, "betas")
        names = table.column("sample_id").to_pylist()
        rows = [
            {"sample_id": name, **self._project(pose, shape, ctx.rng(name))} for name, pose, shape in zip(names, poses, betas, strict=True)
        ]
        return schema.to_table(schema.PROJECTIONS, {field.name: [row[field.name] for row in rows] for field in schema.PROJECTIONS})

    def preview(self, row: dict) -> np.ndarray:
        """The drawn body with its skeleton; joints green where visible, red where hidden, grey outside; a box around it."""
        picture = draw_box(shade(figure_of_row(self._body, row, self.cfg.projections.size)), row["bbox"])
        return draw_skeleton(picture, row["joints2d"], row["visibility"])

    def facts(self, table: pa.Table) -> list[Fact]:
        """Proportions, viewpoint, and how the figure lies in the picture."""
        return facts.of_projections(table)

    def _project(self, pose_world: np.ndarray, betas: np.ndarray, rng: np.random.Generator) -> dict:
        config = self.cfg.projections
        proportions, scales = draw_proportions(rng, config.proportions, config.bone_spread)
        view = draw_view(rng, config)
        placed, posed = self._place(pose_world, betas.astype(np.float64), _stored(scales, _OTHER), view)
        touch = self._contacts.touch(placed["pose"], betas)
        reason = SELF_PENETRATION if touch.depth > config.penetration_m else ""
        figure = figure_of(self._body, posed, placed["bone_scales"], placed["transl"], placed["camera_K"], config.size)
        drawn = self._labels(figure, placed["pose"], betas, placed["transl"])
        return {"proportions": proportions, "reason": reason, "contacts": touch.contacts, **placed, **drawn}

    def _place(self, pose_world: np.ndarray, betas: np.ndarray, scales: np.ndarray, view: View) -> tuple[dict[str, np.ndarray], Posed]:
        """Pose, translation and camera, rounded as stored, so that all that follows can be had again from the row; the body posed."""
        turn, camera_K = _stored(view.camera_R, _OTHER), _stored(view.camera_K, _PIXELS)
        pose = pose_world.astype(np.float64)
        pose[0] = axis_angle_from_matrix(turn @ matrix_from_axis_angle(pose[0]))
        pose = _stored(pose, _OTHER)
        posed = self._body.pose(pose, betas, scales)
        transl = _stored(place(posed.vertices, posed.joints16[0], view, camera_K, self.cfg.projections.size), _METRES)
        # SMPL turns a body about its pelvis, a camera turns the world about the origin.
        pelvis = self._body.rest_points(betas)[0]
        camera_t = _stored(transl + pelvis - turn @ pelvis, _METRES)
        return {"pose": pose, "transl": transl, "bone_scales": scales, "camera_K": camera_K, "camera_R": turn, "camera_t": camera_t}, posed

    def _labels(self, figure: Figure, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray) -> dict[str, np.ndarray]:
        drawn = figure.joints16
        return {
            "joints3d": (self._body.joints(pose, betas)[1] + transl).round(_METRES),
            "joints3d_drawn": drawn.round(_METRES),
            "joints2d": figure.joints16_2d.round(_PIXELS),
            "visibility": labels.visibility(figure.joints16_2d, figure.part),
            "bbox": projected_box(figure.vertices, figure.camera_K).round(_PIXELS),
            "depth_step": labels.depth_step(drawn).round(_METRES),
            "foreshortening": labels.foreshortening(drawn).round(_OTHER),
            "limb_order": labels.limb_order(drawn, figure.camera_K),
        }

    @cached_property
    def _body(self) -> BodyModel:
        return load_body(self.cfg.body.path)

    @cached_property
    def _contacts(self) -> ContactFinder:
        return ContactFinder(self._body)


def _stored(values: np.ndarray, digits: int) -> np.ndarray:
    """What a reader of the table will find: rounded, in single precision; returned as float64 to compute with."""
    return np.round(values, digits).astype(np.float32).astype(np.float64)
