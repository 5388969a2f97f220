"""The bundled body with few vertices, for pages that pose and turn it themselves: the skin's form, not its detail."""

from typing import NamedTuple

import numpy as np

from manifests.skeleton import LEFT_HIP, RIGHT_HIP
from stages.body.camera import from_front
from stages.body.model import BodyModel, load_body
from stages.body.raster import vertex_normals
from stages.body.rotations import matrix_from_axis_angle

_CELL = 0.032  # metres
_FINE = {15: 0.013, **dict.fromkeys((20, 21, 22, 23), 0.014)}  # of head, wrists and hands, by SMPL joint
_TO_VIEWER = np.diag([1.0, -1.0, -1.0])  # from the camera's frame to one with y up and z towards the viewer


class Skin(NamedTuple):
    """What all figures share: vertices (V, 3) of the rest pose, shapes (V, 3, 10) by which betas move them, faces (F, 3);

    bones (V, K) that move a vertex, as SMPL joints, the heaviest first, and their weights (V, K), 1 in all.
    """

    vertices: np.ndarray
    shapes: np.ndarray
    faces: np.ndarray
    bones: np.ndarray
    weights: np.ndarray


class Placed(NamedTuple):
    """A figure: betas (10,), moves (24, 3, 4), a matrix and a shift for each bone, and joints16 (16, 3).

    Metres from the midpoint of the hips, y up, z towards the viewer. A vertex is the mean over its bones of `move @ (x, y, z, 1)`,
    (x, y, z) being its rest vertex with the shapes added.
    """

    betas: np.ndarray
    moves: np.ndarray
    joints16: np.ndarray


class Coarse:
    """Always the bundled body: the skin of a licensed one may not go into pages that are passed on."""

    def __init__(self) -> None:
        self._body = body = load_body()
        chosen, faces = thinned(body)
        self.skin = Skin(body.template[chosen], body.shapedirs[chosen], faces, body.bones[chosen], body.weights[chosen])

    def of_row(self, row: dict) -> Placed:
        """The figure of a table's row: with its drawn proportions if it has been before a camera, else from the front."""
        if "pose" in row:
            return self.place(row["pose"], row["betas"], row["bone_scales"])
        return self.place(from_front(row["pose_world"]), row["betas"])

    def place(self, pose: np.ndarray, betas: np.ndarray, bone_scales: np.ndarray | None = None) -> Placed:
        """Of a pose (24, 3) whose root is in the camera frame, betas (10,) and bone_scales (24,)."""
        linear, rest, placed = self._body.bone_moves(matrix_from_axis_angle(np.asarray(pose, np.float64)), betas, bone_scales)
        joints16 = self._body.joints(pose, betas, bone_scales)[1]
        hips = joints16[[RIGHT_HIP, LEFT_HIP]].mean(0)
        shifts = placed - hips - np.einsum("jab,jb->ja", linear, rest)
        moves = _TO_VIEWER @ np.concatenate([linear, shifts[..., None]], 2)
        return Placed(np.asarray(betas), moves, (joints16 - hips) @ _TO_VIEWER)


def thinned(body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """Which of the vertices stay (V,), and the faces (F, 3) that are left between them.

    One stays of each cube of space, SMPL joint and side, front or back, lest the inside of a mouth is taken for its lips: the one
    nearest to the middle of those it stands for.
    """
    vertices, front = body.template, vertex_normals(body.template, body.faces)[:, 2] > 0
    cell = np.full(24, _CELL)
    cell[list(_FINE)] = list(_FINE.values())
    cubes = np.floor(vertices / cell[body.vertex_joint][:, None]).astype(np.int64)
    keys = np.concatenate([cubes, body.vertex_joint[:, None], front[:, None]], 1)
    _, group, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    middle = np.stack([np.bincount(group, axis) for axis in vertices.T], 1) / count[:, None]
    nearest_first = np.lexsort((np.linalg.norm(vertices - middle[group], axis=1), group))
    chosen = nearest_first[np.unique(group[nearest_first], return_index=True)[1]]
    fewer = group[body.faces]
    a, b, c = fewer.T
    fewer = fewer[(a != b) & (b != c) & (c != a)]
    return chosen, fewer[np.sort(np.unique(np.sort(fewer, 1), axis=0, return_index=True)[1])]
