"""glTF 2.0, one binary `.glb`: the skinned body, posed by its 24 joints, and an animation where there are several frames.

Drawn proportions are in the rest mesh and in the joints' rest places, so the skeleton has no scales: the inverse bind matrices
are plain shifts, and every program reads them alike.
"""

import json
import struct
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from estimator.export.take import Take
from manifests.skeleton import SMPL_JOINTS, SMPL_PARENTS
from stages.body.model import BodyModel
from stages.body.raster import vertex_normals

INFLUENCES = 4
_FLOAT, _UBYTE, _USHORT, _UINT = 5126, 5121, 5123, 5125
_CODES = {np.dtype("<f4"): _FLOAT, np.dtype("u1"): _UBYTE, np.dtype("<u2"): _USHORT, np.dtype("<u4"): _UINT}
_KINDS = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
_VERTICES, _INDICES = 34962, 34963  # what a buffer view is for
_SKIN = {"pbrMetallicRoughness": {"baseColorFactor": [0.72, 0.6, 0.5, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.9}}


def to_glb(take: Take) -> bytes:
    """The file. Node 0 is the mesh, node 1 + j is SMPL joint j in the pose of the first frame."""
    parts = _Parts()
    root = {
        "asset": {"version": "2.0", "generator": "skep"},
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"name": "figure", "mesh": 0, "skin": 0}, *_joints(take)],
        "materials": [_SKIN],
        "meshes": [{"name": "body", "primitives": [_primitive(take, parts)]}],
        "skins": [{"joints": list(range(1, 25)), "skeleton": 1, "inverseBindMatrices": parts.add(_inverse_binds(take))}],
    }
    if len(take.turns) > 1:
        root["animations"] = [_animation(take, parts)]
    return _packed(root | parts.listed(), bytes(parts.data))


class _Parts:
    """The binary half, and the accessors that name its parts."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: np.ndarray, target: int | None = None, bounds: bool = False) -> int:
        """The index of the accessor of an array whose first axis counts elements; matrices are stored column by column."""
        self.data += bytes(-len(self.data) % 4)
        stored = np.ascontiguousarray(array.swapaxes(1, 2) if array.ndim == 3 else array).tobytes()
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(stored)}
        self.views.append(view | ({"target": target} if target else {}))
        self.data += stored
        words: dict[str, Any] = {"bufferView": len(self.views) - 1, "componentType": _CODES[array.dtype], "count": len(array)}
        if bounds:
            words |= {"min": np.atleast_1d(array.min(0)).tolist(), "max": np.atleast_1d(array.max(0)).tolist()}
        self.accessors.append(words | {"type": _KINDS[array.shape[1:]]})
        return len(self.accessors) - 1

    def listed(self) -> dict[str, Any]:
        return {"accessors": self.accessors, "bufferViews": self.views, "buffers": [{"byteLength": len(self.data)}]}


def influences(body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """The four bones (V, 4) uint8 that hold each vertex most, and their weights (V, 4) float32, which sum to 1."""
    bones, weights = (np.zeros((len(body.template), INFLUENCES), t) for t in (np.uint8, np.float32))
    held = min(INFLUENCES, body.weights.shape[1])
    weights[:, :held] = body.weights[:, :held]
    bones[:, :held] = np.where(weights[:, :held] > 0, body.bones[:, :held], 0)
    return bones, weights / weights.sum(1, keepdims=True)


def _primitive(take: Take, parts: _Parts) -> dict[str, Any]:
    bones, weights = influences(take.body)
    attributes = {
        "POSITION": parts.add(take.vertices.astype("<f4"), _VERTICES, bounds=True),
        "NORMAL": parts.add(vertex_normals(take.vertices, take.body.faces).astype("<f4"), _VERTICES),
        "JOINTS_0": parts.add(bones, _VERTICES),
        "WEIGHTS_0": parts.add(weights.astype("<f4"), _VERTICES),
    }
    wide = "<u2" if len(take.vertices) < 2**16 - 1 else "<u4"
    return {"attributes": attributes, "indices": parts.add(take.body.faces.ravel().astype(wide), _INDICES), "material": 0}


def _joints(take: Take) -> list[dict[str, Any]]:
    turns, nodes = _quaternions(take), []
    for joint, (name, parent) in enumerate(zip(SMPL_JOINTS, SMPL_PARENTS, strict=True)):
        place = take.joints[joint] - take.joints[parent] if parent >= 0 else take.places[0]
        node = {"name": name, "translation": place.tolist(), "rotation": turns[0, joint].tolist()}
        below = [1 + child for child, above in enumerate(SMPL_PARENTS) if above == joint]
        nodes.append(node | ({"children": below} if below else {}))
    return nodes


def _inverse_binds(take: Take) -> np.ndarray:
    """(24, 4, 4): from the rest mesh to each joint."""
    matrices = np.tile(np.eye(4, dtype="<f4"), (24, 1, 1))
    matrices[:, :3, 3] = -take.joints
    return matrices


def _animation(take: Take, parts: _Parts) -> dict[str, Any]:
    """Turns of every joint and the place of the first, linear between frames."""
    times = parts.add((np.arange(len(take.turns)) / take.fps).astype("<f4"), bounds=True)
    turns = _quaternions(take).astype("<f4")
    curves = [(1, "translation", take.places.astype("<f4")), *((1 + j, "rotation", np.ascontiguousarray(turns[:, j])) for j in range(24))]
    return {
        "name": "drawn",
        "samplers": [{"input": times, "output": parts.add(values)} for _, _, values in curves],
        "channels": [{"sampler": i, "target": {"node": node, "path": path}} for i, (node, path, _) in enumerate(curves)],
    }


def _quaternions(take: Take) -> np.ndarray:
    """(F, 24, 4) x, y, z, w; each on the side of the one before it, so that programs turn the short way."""
    out = Rotation.from_matrix(take.turns.reshape(-1, 3, 3)).as_quat().reshape(*take.turns.shape[:2], 4)
    signs = np.where((out[1:] * out[:-1]).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    out[1:] *= np.cumprod(signs, axis=0)
    return out


def _packed(root: dict[str, Any], binary: bytes) -> bytes:
    """The two chunks of a .glb, each filled up to four bytes: JSON with blanks, the rest with zeros."""
    words = json.dumps(root, separators=(",", ":")).encode()
    words, binary = words + b" " * (-len(words) % 4), binary + bytes(-len(binary) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(words) + 8 + len(binary))
    return head + struct.pack("<I4s", len(words), b"JSON") + words + struct.pack("<I4s", len(binary), b"BIN\0") + binary
