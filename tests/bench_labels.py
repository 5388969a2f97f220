"""Poses and projections a second on one core, and how many times faster than a plain loop that makes the same labels; joints of bodies
without their skin against those of smplx, 256 at a time, and buffers of figures a second.

The loop goes one sample at a time: `smplx` for the vertices and joints of the plain and of the drawn body, `pyrender` (24 parts in
24 colours) for what is seen, a k-d tree for contacts, numpy for the rest. It is spared the penetration depth, and stretches no
bones. `make bench-labels`; the last line is JSON. Without OpenGL or smplx the loop is skipped with a sentence and has no speed-up.
"""

import json
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from scipy.spatial import cKDTree

from manifests import schema
from manifests.errors import UserError, first_line
from manifests.recipe import Recipe
from manifests.stage import Config, Context, Stage
from stages.body.camera import FRONT, project
from stages.body.contacts import TOUCH, ContactFinder
from stages.body.files import read_body
from stages.body.model import load_body
from stages.body.raster import rasterize
from stages.body.studio import import_pyrender
from stages.poses.stage import Poses
from stages.projections import labels
from stages.projections.stage import Projections

POSES, PROJECTIONS, PLAIN = 4000, 400, 60
JOINTS, RASTERS, SIZE = 256, 100, 256
RECIPE = Recipe.model_validate({"name": "bench", "poses": {"count": POSES}, "projections": {"size": 256}})


def names(count: int) -> pa.Table:
    return pa.table({"sample_id": [f"ink-{i:06d}" for i in range(count)], "style": ["ink"] * count}, schema=schema.PLANNED)


def made(stage: Stage, table: pa.Table) -> tuple[pa.Table, float]:
    """What a stage makes of a table, and the rows it makes in a second of this core's time (best of two)."""
    ctx = Context.alone(1, stage.name)
    stage.setup("cpu")
    out, seconds = timed(lambda: stage.process(table, ctx))
    return out, len(table) / min(seconds, timed(lambda: stage.process(table, ctx))[1])


def timed(work: Callable) -> tuple:
    """Result, and processor seconds of this process, all threads: what others do on the machine does not count."""
    began = time.process_time()
    out = work()
    return out, time.process_time() - began


class PlainLoop:
    """One sample at a time with smplx and pyrender."""

    def __init__(self) -> None:
        try:
            import smplx
            import torch
        except ImportError:
            raise UserError("smplx is not installed") from None
        torch.set_num_threads(1)
        self.torch, self.gl, self.body = torch, import_pyrender(), load_body()
        try:
            self.renderer = self.gl.OffscreenRenderer(256, 256)
        except Exception as e:  # each GL has its own
            raise UserError(f"no OpenGL to draw with ({first_line(e)})") from None
        arrays = {k: v.astype(np.int64) if v.dtype.kind == "u" else v for k, v in read_body(None).items()}
        arrays["posedirs"] = np.zeros((len(arrays["v_template"]), 3, 207), np.float32)
        self.smpl = smplx.SMPL("", data_struct=smplx.utils.Struct(**arrays))
        finder = ContactFinder(self.body)
        self.points, self.far, self.parts = finder._points, finder._far, self.body.vertex_part[finder._points]
        self.marks = [np.argsort(-self.body.template @ np.array(d))[:8] for d in ((0, 1, 0), (0.3, 0, 1), (-0.3, 0, 1))]
        self.groups = [self.body.faces[self.body.face_parts == p] for p in range(1, 25)]

    def label(self, row: dict, betas: np.ndarray) -> None:
        """Every label of one row."""
        plain, _ = self.forward(row["pose"], betas)
        drawn, joints = self.forward(row["pose"], betas)
        shift = row["transl"]
        for _ in range(12):  # the figure is moved until it fills the picture
            pixels = project(drawn + shift, row["camera_K"])
            pixels.min(0), pixels.max(0)
        sixteen = np.concatenate([joints, [drawn[m].mean(0) for m in self.marks]])[
            [24, 12, 17, 19, 21, 16, 18, 20, 2, 5, 8, 1, 4, 7, 25, 26]
        ]
        sixteen = sixteen + shift
        part = self.parts_seen(drawn + shift, row["camera_K"])
        labels.visibility(project(sixteen, row["camera_K"]), part)
        np.concatenate([pixels.min(0), pixels.max(0)])
        labels.depth_step(sixteen), labels.foreshortening(sixteen), labels.limb_order(sixteen, row["camera_K"])
        pairs = cKDTree(plain[self.points]).query_pairs(TOUCH, output_type="ndarray")
        pairs = pairs[self.far[pairs[:, 0], pairs[:, 1]] & (self.parts[pairs[:, 0]] != self.parts[pairs[:, 1]])]
        np.unique(self.parts[pairs], axis=0)

    def forward(self, pose: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        t = [self.torch.tensor(np.asarray(a, np.float32).reshape(1, -1)) for a in (betas, pose[1:], pose[0])]
        with self.torch.no_grad():
            out = self.smpl(betas=t[0], body_pose=t[1], global_orient=t[2])
        return out.vertices[0].numpy(), out.joints[0, :24].numpy()

    def parts_seen(self, vertices: np.ndarray, camera_K: np.ndarray) -> np.ndarray:
        gl, K, positions = self.gl, camera_K, (vertices @ FRONT).astype(np.float32)
        scene, colours = gl.Scene(), {}
        for i, faces in enumerate(self.groups):
            if len(faces):
                colours[scene.add(gl.Mesh([gl.Primitive(positions=positions, indices=faces)]))] = (i + 1, 0, 0)
        scene.add(gl.IntrinsicsCamera(K[0, 0], K[1, 1], K[0, 2], K[1, 2], znear=0.05, zfar=1000.0))
        colour, _ = self.renderer.render(scene, flags=gl.RenderFlags.SEG, seg_node_map=colours)
        return colour[..., 0]


def plain_rate(table: pa.Table, betas: np.ndarray) -> float:
    """Rows a second of the plain loop (best of two)."""
    loop, rows = PlainLoop(), list(schema.rows_of(table.slice(0, PLAIN)))
    loop.label(rows[0], betas[0])
    return PLAIN / min(timed(lambda: [loop.label(row, b) for row, b in zip(rows, betas[:PLAIN], strict=True)])[1] for _ in range(2))


def joints_speedup(poses: np.ndarray, betas: np.ndarray) -> float:
    """How many times faster than smplx joints of a batch (B, 24, 3), (B, 10) are; the best of five of each."""
    loop, body = PlainLoop(), load_body()
    t = [loop.torch.tensor(a.reshape(len(a), -1), dtype=loop.torch.float32) for a in (betas, poses[:, 1:], poses[:, 0])]

    def theirs() -> None:
        with loop.torch.no_grad():
            loop.smpl(betas=t[0], body_pose=t[1], global_orient=t[2], return_verts=False)

    works = (theirs, lambda: body.joints_of_many(poses, betas))
    for work in works:
        work()
    plain, ours = (min(timed(work)[1] for _ in range(5)) for work in works)
    return plain / ours


def rasters_per_s(table: pa.Table, betas: np.ndarray) -> float:
    """Buffers (depth, normals, parts) a second of the figures of rows with betas (N, 10)."""
    body, K = load_body(), schema.to_numpy(table, "camera_K")
    rows = zip(*(schema.to_numpy(table, name) for name in ("pose", "bone_scales", "transl")), betas, strict=True)
    skins = [body.vertices(pose, shape, scales) + transl for pose, scales, transl, shape in rows]

    def work() -> None:
        for vertices, camera in zip(skins, K, strict=True):
            rasterize(vertices, body.faces, body.face_parts, camera, SIZE)

    return len(skins) / min(timed(work)[1] for _ in range(3))


def main() -> None:
    poses, poses_per_s = made(Poses(Config(RECIPE, Poses.config)), names(POSES))
    few = poses.slice(0, PROJECTIONS)
    rows, projections_per_s = made(Projections(Config(RECIPE, Projections.config)), few)
    rejected = np.mean([reason != "" for reason in rows["reason"].to_pylist()])
    print(f"one core: {poses_per_s:.0f} poses/s, {projections_per_s:.0f} projections/s at 256 px with every label", end="; ")
    print(f"{100 * rejected:.1f} % pass through themselves")
    found: dict[str, float | None] = {"poses_per_s": round(poses_per_s), "projections_per_s": round(projections_per_s, 1)}
    betas = schema.to_numpy(few, "betas")
    rasters = round(rasters_per_s(rows.slice(0, RASTERS), betas[:RASTERS]))
    found |= {"speedup": None, "joints_speedup": None, "rasters_per_s": rasters}
    try:
        rate = plain_rate(rows, betas)
        found["speedup"] = round(projections_per_s / rate, 1)
        turns = schema.to_numpy(few, "pose_world")
        found["joints_speedup"] = round(joints_speedup(turns[:JOINTS].astype(np.float64), betas[:JOINTS].astype(np.float64)), 1)
        print(f"a plain loop of smplx and pyrender: {rate:.1f} projections/s")
    except UserError as e:
        print(f"plain loop skipped: {e}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
