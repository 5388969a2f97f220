"""An SMPL-format body and its posing, with a length factor for every bone. Frames and units are SMPL's: y up, facing +z, metres."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.body.files import SHAPES, read_body
from stages.body.landmarks import CARRIERS, landmark_vertices
from stages.body.rotations import matrix_from_axis_angle
from stages.body.skinning import bone_transforms, skin

# Where each of skeleton.JOINTS is found: an SMPL joint, or 24 skull centre, 25 left and 26 right toe tip.
_JOINTS_16 = np.array([24, 12, 17, 19, 21, 16, 18, 20, 2, 5, 8, 1, 4, 7, 25, 26])


@dataclass(frozen=True)
class Posed:
    """vertices (V, 3), joints (24, 3) of SMPL and joints16 (16, 3) in the order of skeleton.JOINTS; metres."""

    vertices: np.ndarray
    joints: np.ndarray
    joints16: np.ndarray


@dataclass(frozen=True, eq=False)
class BodyModel:
    """Arrays of a body, float64. V vertices, F faces, K most bones of a vertex, ten shapes.

    points: 24 joints and 3 landmarks (27, 3) of the mean shape; point_dirs (27, 3, 10) how they move with the shape.
    face_parts (F,) uint8: 1 + the SMPL joint that most of a face's skin follows. vertex_joint (V,): that joint of a vertex.
    posedirs (V, 3, 207) pose correctives, or None where the file has none.
    """

    template: np.ndarray
    shapedirs: np.ndarray
    posedirs: np.ndarray | None
    points: np.ndarray
    point_dirs: np.ndarray
    bones: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    face_parts: np.ndarray
    vertex_joint: np.ndarray

    def pose(self, pose: np.ndarray, betas: np.ndarray, bone_scales: np.ndarray | None = None) -> Posed:
        """The body for a pose (24, 3) axis-angle, betas (10,) and length factors (24,), 1 where None; see skinning.WHOLE.

        As in SMPL the first rotation turns the body about its pelvis, which stays where the rest pose has it.
        """
        return Posed(self.vertices(pose, betas, bone_scales), *self.joints(pose, betas, bone_scales))

    def joints(self, pose: np.ndarray, betas: np.ndarray, bone_scales: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """SMPL joints (24, 3) and joints16 (16, 3) alone, some hundred times faster than with the skin."""
        rest = self.rest_points(betas)
        linear, placed = bone_transforms(matrix_from_axis_angle(pose), rest[:24], _scales(bone_scales))
        landmarks = np.einsum("lab,lb->la", linear[CARRIERS], rest[24:] - rest[CARRIERS]) + placed[CARRIERS]
        return placed, np.concatenate([placed, landmarks])[_JOINTS_16]

    def vertices(
        self, pose: np.ndarray, betas: np.ndarray, bone_scales: np.ndarray | None = None, only: np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        """Posed vertices (V, 3), or those that `only` picks."""
        turns, joints = matrix_from_axis_angle(pose), self.rest_points(betas)[:24]
        linear, placed = bone_transforms(turns, joints, _scales(bone_scales))
        return skin(self._rest_vertices(turns, betas, only), self.bones[only], self.weights[only], linear, joints, placed)

    def rest_points(self, betas: np.ndarray) -> np.ndarray:
        """Joints and landmarks (27, 3) of the rest pose."""
        return self.points + self.point_dirs @ np.asarray(betas, np.float64)

    def _rest_vertices(self, turns: np.ndarray, betas: np.ndarray, only: np.ndarray | slice) -> np.ndarray:
        rest = self.template[only] + self.shapedirs[only] @ np.asarray(betas, np.float64)
        if self.posedirs is None:
            return rest
        return rest + self.posedirs[only] @ (turns[1:] - np.eye(3)).ravel()


def load_body(path: Path | None = None) -> BodyModel:
    """Read an SMPL-format `.npz`; None is the bundled CC0 body. Raises UserError naming the file and the key."""
    arrays = read_body(path)
    template, weights = arrays["v_template"].astype(np.float64), arrays["weights"].astype(np.float64)
    shapedirs = np.ascontiguousarray(arrays["shapedirs"][:, :, :SHAPES], np.float64)
    regressor, marks = arrays["J_regressor"].astype(np.float64), landmark_vertices(template, weights)
    bones, sparse = _sparse(weights)
    faces = arrays["f"].astype(np.int32)
    return BodyModel(
        template=template,
        shapedirs=shapedirs,
        posedirs=_correctives(arrays.get("posedirs")),
        points=np.concatenate([regressor @ template, [template[m].mean(0) for m in marks]]),
        point_dirs=np.concatenate([np.einsum("jv,vak->jak", regressor, shapedirs), [shapedirs[m].mean(0) for m in marks]]),
        bones=bones,
        weights=sparse,
        faces=faces,
        face_parts=(weights[faces].sum(1).argmax(1) + 1).astype(np.uint8),
        vertex_joint=weights.argmax(1),
    )


def _scales(bone_scales: np.ndarray | None) -> np.ndarray:
    return np.ones(24) if bone_scales is None else np.asarray(bone_scales, np.float64)


def _sparse(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bones (V, K) of each vertex, heaviest first, and their weights (V, K)."""
    most = int((weights > 0).sum(1).max())
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :most]
    return bones.astype(np.int32), np.take_along_axis(weights, bones, 1)


def _correctives(posedirs: np.ndarray | None) -> np.ndarray | None:
    return None if posedirs is None or not posedirs.any() else posedirs.astype(np.float64)
