"""One pyarrow schema per table. Every field says its shape, unit and frame in its metadata.

Camera frame: x right, y down, z away from the viewer, metres. World frame: SMPL's, y up, facing +z, metres.
Pixels count from the top-left corner; the centre of the first pixel is (0.5, 0.5).
A row whose `reason` is not empty was rejected by that stage: later stages never see it, the table keeps it.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from manifests.errors import UserError
from manifests.skeleton import BODY_PARTS, EDGES, LIMB_PAIRS

# Of tables and shards. Change it when a reader of today's would misread or miss something.
SCHEMA_VERSION = 2
OLDEST_READ = 2  # version 1 had no checksums in its samples


def check_version(version: object, where: str) -> None:
    """Raises UserError for data that this program cannot read: newer than it, or too old."""
    if not isinstance(version, int):
        raise UserError(f"{where}: it names no schema version")
    if version > SCHEMA_VERSION:
        raise UserError(f"{where}: schema version {version} is newer than this program's {SCHEMA_VERSION}; upgrade skep")
    if version < OLDEST_READ:
        raise UserError(f"{where}: schema version {version} is older than {OLDEST_READ}, the oldest that is read; make the dataset again")


def _field(name: str, kind: pa.DataType, doc: str, **meta: str) -> pa.Field:
    return pa.field(name, kind, nullable=False, metadata={"doc": doc, **meta})


def _text(name: str, doc: str) -> pa.Field:
    return _field(name, pa.string(), doc)


def _tensor(name: str, shape: tuple[int, ...], doc: str, unit: str, frame: str = "", kind: pa.DataType | None = None) -> pa.Field:
    size = int(np.prod(shape))
    item = pa.field("item", kind or pa.float32(), nullable=False)
    return _field(name, pa.list_(item, size), doc, shape="x".join(map(str, shape)), unit=unit, frame=frame)


SAMPLE_ID = _text("sample_id", "<style>-<6 digits>, unique, no dots")
STYLE = _text("style", "one of skeleton.STYLES")
REASON = _text("reason", "why the stage rejected the row; empty where it passed")
SPLIT = _text("split", "train or val, a hash of source_id")

PLANNED = pa.schema([SAMPLE_ID, STYLE])

POSES = pa.schema([
    SAMPLE_ID,
    _text("source_id", "the clip or prior draw that the pose came from; the split is a hash of it"),
    SPLIT,
    _text("motion", "what the figure does, in words"),
    _tensor("pose_world", (24, 3), "axis-angle rotation of each SMPL joint; the first turns the body in the world", "rad", "parent joint"),
    _tensor("betas", (10,), "shape coefficients of the body", "1"),
    REASON,
])  # fmt: skip

PROJECTIONS = pa.schema([
    SAMPLE_ID,
    _text("proportions", "name of the proportion preset behind bone_scales"),
    _tensor("pose", (24, 3), "pose_world with the root turned into the camera frame", "rad", "parent joint; root: camera"),
    _tensor("transl", (3,), "add to the posed body to place it before the camera", "m", "camera"),
    _tensor("bone_scales", (24,), "length factor along the bone; head, hand from the wrist, foot from the ankle in all directions", "1"),
    _tensor("joints3d", (16, 3), "joints of the undistorted body", "m", "camera"),
    _tensor("joints3d_drawn", (16, 3), "joints of the body with drawn proportions", "m", "camera"),
    _tensor("joints2d", (16, 2), "projection of joints3d_drawn", "px", "image"),
    _tensor("visibility", (16,), "0 outside the image, 1 occluded, 2 visible", "1", kind=pa.uint8()),
    _tensor("bbox", (4,), "x0, y0, x1, y1 around the drawn body, not clipped to the image", "px", "image"),
    _tensor("depth_step", (len(EDGES),), "z(child) - z(parent) of joints3d_drawn along each edge", "m", "camera"),
    _tensor("foreshortening", (len(EDGES),), "2D over 3D length of each edge, a cosine in [0, 1]", "1"),
    _tensor("limb_order", (len(LIMB_PAIRS),), "-1: the first of the pair crosses in front, +1: the second, 0: none", "1", kind=pa.int8()),
    _tensor("contacts", (len(BODY_PARTS), len(BODY_PARTS)), "1 where two parts of the undistorted body touch", "1", kind=pa.uint8()),
    _tensor("camera_K", (3, 3), "intrinsics", "px"),
    _tensor("camera_R", (3, 3), "world to camera", "1"),
    _tensor("camera_t", (3,), "world to camera: X_camera = R X_world + t", "m", "camera"),
    REASON,
])  # fmt: skip

SKETCHES = pa.schema([
    SAMPLE_ID,
    _field("image", pa.binary(), "the encoded picture", unit="bytes"),
    _text("image_format", "png or jpg"),
    _field("image_bytes", pa.int64(), "size of the encoded picture, by which shards are cut", unit="bytes"),
    _text("appearance", "what the figure looks like, in words"),
    _text("generator", "what drew the picture: renderer, or the sha256 of a model"),
    _field("noise_seed", pa.int64(), "of the CPU torch.Generator that the model's noise is from; -1 where the renderer drew"),
    REASON,
])  # fmt: skip


SCORE = "score_"  # begins the name of every score


def _score(name: str, doc: str) -> pa.Field:
    return _field(f"{SCORE}{name}", pa.float32(), doc, unit="1")


FILTER = pa.schema([
    SAMPLE_ID,
    _score("ink", "share of pixels that differ from the paper"),
    _score("oks", "agreement of the labels with the joints read back, 1 is the best"),
    _score("pck", "share of visible joints that were read within 0.2 torso lengths of their labels"),
    _score("limbs", "how clearly the faintest visible limb stands out along its bones, 1 is the best"),
    _score("box", "overlap of the labelled box with the better of two found ones, 1 is the best"),
    _score("figures", "how surely there is no other figure, 1 is the best"),
    _score("style", "probability of the labelled style"),
    _field("picture_hash", pa.uint64(), "perceptual hash: like pictures differ in few bits", unit="bits"),
    _tensor("thumbnail", (16, 16), "the picture in grey, made small, middle 128", "levels", "image", kind=pa.uint8()),
    REASON,
])  # fmt: skip

VERDICTS = pa.schema([
    SAMPLE_ID, STYLE, SPLIT,
    _text("outcome", "kept, rejected, surplus or failed"),
    _text("stage", "the stage that rejected the sample or that it failed in; empty where it was kept"),
    REASON,
    _text("shard", "name of the shard that holds the sample, without .tar; empty where it was not kept"),
])  # fmt: skip

# A small picture of a sample and its joints, in shares of the picture's side.
PREVIEW = pa.struct([
    SAMPLE_ID, STYLE, SPLIT, POSES.field("motion"),
    _field("joints", pa.list_(pa.float32()), "joints2d over the picture's side, flat"),
    _field("visibility", pa.list_(pa.uint8()), "as in the labels"),
    _field("jpeg", pa.binary(), "the picture"),
])  # fmt: skip

SHARDS = pa.schema([
    _text("shard", "file name"), SPLIT,
    _field("samples", pa.int64(), "number of samples"),
    _field("bytes", pa.int64(), "size of the file"),
    _text("sha256", "of the file"),
    _field("generators", pa.list_(pa.string()), "what drew its pictures, each once"),
    _field("previews", pa.list_(PREVIEW), "some of its samples"),
])  # fmt: skip

# What became of the planned samples, counted: the first columns say which, the last how many.
TALLIES = pa.schema([
    VERDICTS.field("outcome"), VERDICTS.field("stage"),
    _text("reason", "as in the verdicts, up to the first colon"),
    STYLE, SPLIT, _field("samples", pa.int64(), "number of samples"),
])  # fmt: skip

# Rows that did not come through, as the frame reports them to a dataset stage.
LOSSES = pa.schema([SAMPLE_ID, STYLE, SPLIT, VERDICTS.field("outcome"), VERDICTS.field("stage"), REASON])

FAILED = pa.schema([
    SAMPLE_ID, STYLE,
    _text("stage", "where it failed"),
    _text("reason", "exception type and text, exit status, or timeout"),
    _text("digest", "of the traceback, so that the same failure counts as one"),
])  # fmt: skip


def _metric(name: str, unit: str, doc: str, best: str = "low") -> pa.Field:
    return _field(name, pa.float32(), doc, unit=unit, best=best)


# Of a predicted figure, in the order of every table; `best` says which end is good.
METRICS = pa.schema([
    _metric("mpjpe", "mm", "distance of the 16 joints of the body, from the hips' midpoint"),
    _metric("pa_mpjpe", "mm", "distance of the 16 joints after the best turn, scale and shift"),
    _metric("mpjpe_lsp14", "mm", "distance of LSP's 14 joints, regressed from the mesh"),
    _metric("pa_mpjpe_lsp14", "mm", "distance of LSP's 14 joints after the best turn, scale and shift"),
    _metric("mpve", "mm", "distance of the mesh's vertices"),
    _metric("mpjpe_drawn", "mm", "distance of the 16 joints of the drawn proportions"),
    _metric("pck", "share within 0.1 torso", "visible joints that were found in the picture", "high"),
    _metric("pck_body", "share within 0.1 torso", "visible joints that the body, laid over the picture, has in their place", "high"),
    _metric("rotation", "degrees", "angle between local rotations"),
    _metric("direction", "degrees", "angle between bones in space"),
    _metric("foreshortening", "degrees", "by which bones lean more or less out of the picture plane, either way"),
    _metric("depth_sign", "share", "edges that lean the right way", "high"),
    _metric("limb_order", "share", "crossings with the right limb in front", "high"),
    _metric("contact_precision", "share", "contacts seen that are true", "high"),
    _metric("contact_recall", "share", "true contacts that were seen", "high"),
    _metric("bone_scales", "factor", "by which bone scales are off"),
    _metric("ms", "a sketch", "milliseconds of the network alone, in batches"),
])  # fmt: skip

TRUTH = "truth"
METRIC = "metric_"  # begins the name of every metric of a sample

# What each method says of each sample that it was judged on, and the truth. Metrics are NaN where a sample says nothing of them.
JUDGED = pa.schema([
    SAMPLE_ID, STYLE,
    _text("method", f"which method says it; {TRUTH}: the labels"),
    *(metric.with_name(f"{METRIC}{metric.name}") for metric in METRICS),
    _tensor("joints2d", (16, 2), "joints over the picture's side", "1", "image"),
    PROJECTIONS.field("pose"), POSES.field("betas"), PROJECTIONS.field("bone_scales"),
    _field("jpeg", pa.binary(), "the picture, made small; empty but beside the truth", unit="bytes"),
])  # fmt: skip


def shape_of(field: pa.Field) -> tuple[int, ...]:
    """Shape of one row of a tensor field."""
    return tuple(int(n) for n in field.metadata[b"shape"].decode().split("x"))


def part_of(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """Some fields of a schema, each once."""
    return pa.schema([schema.field(name) for name in dict.fromkeys(names)])


def tensor_names(schema: pa.Schema) -> list[str]:
    """Names of the tensor fields of a schema, in its order."""
    return [f.name for f in schema if f.metadata and b"shape" in f.metadata]


def to_numpy(table: pa.Table, name: str) -> np.ndarray:
    """A tensor column as an array (rows, *shape)."""
    column = table.column(name).combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), *shape_of(table.schema.field(name)))


def rows_of(table: pa.Table) -> Iterator[dict]:
    """Rows as dicts; tensors as arrays in their own shape and type."""
    tensors = {name: to_numpy(table, name) for name in tensor_names(table.schema)}
    plain = table.drop_columns(list(tensors)).to_pylist()
    for i, row in enumerate(plain):
        yield {**row, **{name: values[i] for name, values in tensors.items()}}


def to_table(schema: pa.Schema, columns: dict) -> pa.Table:
    """A table of the schema from lists and arrays; tensors come as (rows, *shape)."""
    return pa.table([_column(field, columns[field.name]) for field in schema], schema=schema)


def _column(field: pa.Field, values) -> pa.Array:
    if not pa.types.is_fixed_size_list(field.type):
        return pa.array(values, field.type)
    flat = np.ascontiguousarray(values, field.type.value_type.to_pandas_dtype()).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, field.type.value_type), type=field.type)
