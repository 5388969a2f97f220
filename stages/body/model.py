"""An SMPL-format body and its posing, with a length factor for every bone. Frames and units are SMPL's: y up, facing +z, metres."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from manifests.skeleton import BODY_PARTS, PART_OF_SMPL_JOINT
from stages.body.files import SHAPES, read_body
from stages.body.fold import fold
from stages.body.landmarks import CARRIERS, landmark_vertices
from stages.body.rotations import matrix_from_axis_angle
from stages.body.skinning import Tree, bone_transforms, posed_points, shaped, skin, tree_of

# Where each of skeleton.JOINTS is found: an SMPL joint, or -3 skull centre, -2 left and -1 right toe tip.
_JOINTS_16 = np.array([-3, 12, 17, 19, 21, 16, 18, 20, 2, 5, 8, 1, 4, 7, -2, -1])

_SAME = 1e-3  # metres; labels are rounded to hundredths of a millimetre


@dataclass(frozen=True)
class Posed:
    """vertices (V, 3), joints (J, 3) of SMPL and joints16 (16, 3) in the order of skeleton.JOINTS; metres."""

    vertices: np.ndarray
    joints: np.ndarray
    joints16: np.ndarray


@dataclass(frozen=True, eq=False)
class BodyModel:
    """Arrays of a body, float64. V vertices, F faces, K most bones of a vertex; J joints: 24, or 52 or 55 of a whole body.

    S shapes: ten, of a whole body with a face ten expressions more. Poses are (J, 3); betas may be the first ten alone.
    points: joints and 3 landmarks (J + 3, 3) of the mean shape; point_dirs (J + 3, 3, S) how they move with the shape.
    face_parts (F,) uint8: 1 + the SMPL joint (of 24) that most of a face's skin follows. vertex_joint (V,): that joint of a vertex.
    posedirs (V, 3, 9 (J - 1)) pose correctives, or None where the file has none.
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
    tree: Tree

    @cached_property
    def vertex_part(self) -> np.ndarray:
        """Which of BODY_PARTS each vertex (V,) belongs to."""
        return np.array([BODY_PARTS.index(name) for name in PART_OF_SMPL_JOINT])[self.vertex_joint]

    def pose(self, pose: np.ndarray, betas: np.ndarray, bone_scales: np.ndarray | None = None) -> Posed:
        """The body for a pose (J, 3) axis-angle, betas (10,) and length factors (24,), 1 where None; see skinning.WHOLE.

        As in SMPL the first rotation turns the body about its pelvis, which stays where the rest pose has it.
        """
        return Posed(self.vertices(pose, betas, bone_scales), *self.joints(pose, betas, bone_scales))

    def joints(self, pose: np.ndarray, betas: np.ndarray, bone_scales: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """SMPL joints (J, 3) and joints16 (16, 3) alone, some hundred times faster than with the skin."""
        scales = None if bone_scales is None else np.asarray(bone_scales)[None]
        joints, sixteen = self.joints_of_many(np.asarray(pose)[None], np.asarray(betas)[None], scales)
        return joints[0], sixteen[0]

    def owns(self, pose: np.ndarray, betas: np.ndarray, joints16: np.ndarray) -> bool:
        """Whether labelled joints (16, 3), wherever they lie, are this body's in that pose, and not another's."""
        apart = self.joints(pose, betas)[1] - joints16
        return bool(np.abs(apart - apart[0]).max() < _SAME)

    def joints_of_many(self, poses: np.ndarray, betas: np.ndarray, bone_scales: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """SMPL joints (B, J, 3) and joints16 (B, 16, 3) of poses (B, J, 3), betas (B, 10) and factors (B, 24).

        Each body is worked out on its own, so its digits do not depend on those around it.
        """
        poses = np.ascontiguousarray(poses, np.float64)
        rests = np.stack([self.rest_points(b) for b in betas])
        scales = np.ones((len(poses), 24)) if bone_scales is None else np.asarray(bone_scales, np.float64)
        scales = np.ascontiguousarray(scales[:, self.tree.folds])
        joints, marks = posed_points(poses, rests, scales, CARRIERS, self.tree.parents, self.tree.child, self.tree.whole)
        return joints, np.concatenate([joints, marks], 1)[:, _JOINTS_16]

    def vertices(self, pose: np.ndarray, betas: np.ndarray, bone_scales: np.ndarray | None = None) -> np.ndarray:
        """Posed vertices (V, 3)."""
        turns = matrix_from_axis_angle(pose)
        moves = self.bone_moves(turns, betas, bone_scales)
        return skin(self._rest_vertices(turns, betas), self.bones, self.weights, *moves)

    def vertices_and_normals(self, pose: np.ndarray, betas: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posed vertices (V, 3), and normals (V, 3) of the rest pose turned along with them, about of unit length."""
        turns = matrix_from_axis_angle(pose)
        linear, joints, placed = self.bone_moves(turns, betas, None)
        posed = skin(self._rest_vertices(turns, betas), self.bones, self.weights, linear, joints, placed)
        origin = np.zeros_like(joints)
        return posed, skin(normals, self.bones, self.weights, linear, origin, origin)

    def part(self, vertices: np.ndarray) -> "BodyModel":
        """A body of some vertices (N,) and no faces, to pose these alone."""
        arrays = {name: getattr(self, name)[vertices] for name in ("template", "shapedirs", "bones", "weights", "vertex_joint")}
        posedirs = None if self.posedirs is None else self.posedirs[vertices]
        return replace(self, **arrays, posedirs=posedirs, faces=self.faces[:0], face_parts=self.face_parts[:0])

    def bone_moves(self, turns: np.ndarray, betas: np.ndarray, bone_scales: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of rotations (J, 3, 3): linear (J, 3, 3), rest joints (J, 3) and placed joints (J, 3), as skinning.skin takes them."""
        joints = self.rest_points(betas)[: len(self.tree.parents)]
        scales = np.ones(24) if bone_scales is None else np.asarray(bone_scales, np.float64)
        linear, placed = bone_transforms(turns, joints, scales[self.tree.folds], self.tree.parents, self.tree.child, self.tree.whole)
        return linear, joints, placed

    def rest_points(self, betas: np.ndarray) -> np.ndarray:
        """Joints and landmarks (J + 3, 3) of the rest pose."""
        return self.points + self.point_dirs[..., : len(betas)] @ np.asarray(betas, np.float64)

    def _rest_vertices(self, turns: np.ndarray, betas: np.ndarray) -> np.ndarray:
        rest = shaped(self.template, self.shapedirs, np.asarray(betas, np.float64))
        if self.posedirs is None:
            return rest
        return rest + self.posedirs @ (turns[1:] - np.eye(3)).ravel()


def load_body(path: Path | None = None, whole: bool = False) -> BodyModel:
    """Read an SMPL-format file; None is the bundled CC0 body. `whole`: with fingers and face, not folded to 24 joints.

    Raises UserError naming the file and the key.
    """
    arrays = read_body(path, whole)
    template, weights = arrays["v_template"].astype(np.float64), arrays["weights"].astype(np.float64)
    shapedirs = np.ascontiguousarray(arrays["shapedirs"] if whole else arrays["shapedirs"][:, :, :SHAPES], np.float64)
    skin24 = fold(arrays)["weights"].astype(np.float64)
    regressor, marks = arrays["J_regressor"].astype(np.float64), landmark_vertices(template, skin24)
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
        face_parts=(skin24[faces].sum(1).argmax(1) + 1).astype(np.uint8),
        vertex_joint=skin24.argmax(1),
        tree=tree_of(weights.shape[1]),
    )


def _sparse(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bones (V, K) of each vertex, heaviest first, and their weights (V, K)."""
    most = int((weights > 0).sum(1).max())
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :most]
    return bones.astype(np.int32), np.take_along_axis(weights, bones, 1)


def _correctives(posedirs: np.ndarray | None) -> np.ndarray | None:
    return None if posedirs is None or not posedirs.any() else posedirs.astype(np.float64)
