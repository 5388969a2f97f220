"""The sketches stage: every projected row becomes a picture in the row's style."""

from functools import reduce

import cv2
import numpy as np
import pyarrow as pa

from manifests import schema
from manifests.errors import UserError
from manifests.skeleton import EDGES, STYLES
from manifests.stage import Config, Context, Stage
from stages.body.camera import intrinsics
from stages.body.figure import Figure, make_figure
from stages.body.model import load_body
from stages.body.rotations import matrix_from_axis_angle
from stages.sketches.drawing import draw
from stages.sketches.drawing.layer import UNITS

_LABELS = ("pose", "betas", "bone_scales", "transl", "camera_K")
_SPINE_TO_HEAD = (0, 3, 6, 9, 12, 15)  # SMPL joints whose rotations turn the head
_ENCODING = {"png": [cv2.IMWRITE_PNG_COMPRESSION, 3], "jpg": [cv2.IMWRITE_JPEG_QUALITY, 92]}
# Of a joint that is outside, occluded, visible; RGB.
_MARKS = ((150, 150, 150), (240, 150, 30), (30, 170, 60))


class Sketches(Stage):
    """Draws with the renderer. A row's picture depends on its labels, its style and its own randomness alone."""

    name = "sketches"
    version = 2
    config = ("body", "sketches", "projections.size")
    reads = _LABELS
    writes = schema.SKETCHES

    @classmethod
    def setup_on_node(cls, config: Config) -> None:
        """Compile the renderer's loops once, into the cache that every worker reads."""
        body = load_body(config.body.path)
        figure = make_figure(body, np.zeros((24, 3)), np.zeros(10), np.ones(24), np.array([0, 0, 4.0]), intrinsics(UNITS, UNITS), UNITS)
        for style in STYLES:
            draw(figure, style, np.random.default_rng(0))

    def setup(self, device: str) -> None:
        """Load the body; OpenCV keeps to the one thread that the stage declares."""
        cv2.setNumThreads(1)
        self.body = load_body(self.cfg.body.path)

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        """One encoded picture for each row."""
        labels = {name: schema.to_numpy(table, name) for name in _LABELS}
        ids, styles = table["sample_id"].to_pylist(), table["style"].to_pylist()
        images, phrases = [], []
        for i, (sample_id, style) in enumerate(zip(ids, styles, strict=True)):
            row = {name: column[i] for name, column in labels.items()}
            drawing = draw(self._figure(row), style, ctx.rng(sample_id), head_turn(row["pose"]), self.cfg.get("projections.size"))
            images.append(self._encode(drawing.image))
            phrases.append(drawing.appearance)
        kind = self.cfg.sketches.image_format
        columns = {
            "sample_id": ids, "image": images, "image_format": [kind] * len(ids), "appearance": phrases,
            "image_bytes": [len(image) for image in images],
            "generator": [self.cfg.sketches.source] * len(ids), "reason": [""] * len(ids),
        }  # fmt: skip
        return schema.to_table(schema.SKETCHES, columns)

    def preview(self, row: dict) -> np.ndarray:
        """The picture with its 16 joints: green visible, orange occluded, grey outside."""
        stored = cv2.imdecode(np.frombuffer(row["image"], np.uint8), cv2.IMREAD_COLOR)
        if stored is None:
            raise UserError(f"{row['sample_id']}: its picture cannot be decoded")
        picture = cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)
        joints = np.asarray(row["joints2d"], np.float64).reshape(16, 2)
        spots = [tuple(int(v) for v in joint) for joint in np.clip(joints, -1e4, 1e4)]
        for a, b in EDGES:
            cv2.line(picture, spots[a], spots[b], (120, 160, 220), 1, cv2.LINE_AA)
        for spot, seen in zip(spots, np.asarray(row["visibility"]).ravel(), strict=True):
            cv2.circle(picture, spot, max(2, len(picture) // 100), _MARKS[int(seen)], -1, cv2.LINE_AA)
        return picture

    def _figure(self, row: dict[str, np.ndarray]) -> Figure:
        """The row's figure as the renderer wants it: the camera's pixels become units."""
        to_units = np.diag([UNITS / self.cfg.get("projections.size")] * 2 + [1])
        return make_figure(self.body, **{**row, "camera_K": to_units @ row["camera_K"]}, size=UNITS)

    def _encode(self, image: np.ndarray) -> bytes:
        kind = self.cfg.sketches.image_format
        done, data = cv2.imencode(f".{kind}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _ENCODING[kind])
        if not done:
            raise RuntimeError(f"OpenCV could not encode a {kind} picture")
        return data.tobytes()


def head_turn(pose: np.ndarray) -> np.ndarray:
    """The head's rotation (3, 3) in the camera frame of a pose (24, 3)."""
    turns = matrix_from_axis_angle(np.asarray(pose, np.float64)[list(_SPINE_TO_HEAD)])
    return reduce(np.matmul, turns)
