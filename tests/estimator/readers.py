"""Readers of BVH and glTF that share no code with the writers: forward kinematics and skinning from the files alone."""

import json
import struct
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Bone:
    name: str
    parent: int
    offset: np.ndarray | None = None
    channels: list[str] = field(default_factory=list)


def read_bvh(text: str) -> tuple[list[Bone], np.ndarray, float]:
    """Bones, end sites as `<parent> end`; channel values (F, C); seconds a frame."""
    words = text.split()
    assert words[0] == "HIERARCHY"
    bones, stack, at = [], [], 1
    while words[at] != "MOTION":
        word = words[at]
        if word in ("ROOT", "JOINT", "End"):
            name = words[at + 1] if word != "End" else bones[stack[-1]].name + " end"
            bones.append(Bone(name, stack[-1] if stack else -1))
            assert words[at + 2] == "{"
            stack.append(len(bones) - 1)
            at += 3
        elif word == "OFFSET":
            bones[stack[-1]].offset = np.array([float(w) for w in words[at + 1 : at + 4]])
            at += 4
        elif word == "CHANNELS":
            count = int(words[at + 1])
            bones[stack[-1]].channels = words[at + 2 : at + 2 + count]
            at += 2 + count
        else:
            assert word == "}"
            stack.pop()
            at += 1
    assert not stack
    assert words[at + 1] == "Frames:" and words[at + 3 : at + 5] == ["Frame", "Time:"]
    frames, seconds = int(words[at + 2]), float(words[at + 5])
    values = np.array([float(w) for w in words[at + 6 :]]).reshape(frames, sum(len(b.channels) for b in bones))
    return bones, values, seconds


def bvh_joints(bones: list[Bone], values: np.ndarray) -> dict[str, np.ndarray]:
    """World places (F, 3) of every bone by name, in the file's unit."""
    places = {}
    for frame in values:
        worlds, column = [], 0
        for bone in bones:
            local = np.eye(4)
            local[:3, 3] = bone.offset
            for channel in bone.channels:
                value, axis = frame[column], "XYZ".index(channel[0])
                column += 1
                step = np.eye(4)
                if channel.endswith("position"):
                    step[axis, 3] = value
                else:
                    step[:3, :3] = _turn(axis, np.radians(value))
                local = local @ step
            worlds.append(worlds[bone.parent] @ local if bone.parent >= 0 else local)
            places.setdefault(bone.name, []).append(worlds[-1][:3, 3])
    return {name: np.array(rows) for name, rows in places.items()}


def _turn(axis: int, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    flat = [[1, 0, 0], [0, c, -s], [0, s, c]]
    return np.roll(np.roll(np.array(flat, float), axis, 0), axis, 1)


class Gltf:
    """A .glb: `words` is its JSON; arrays by accessor."""

    def __init__(self, data: bytes):
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON" and size % 4 == 0
        self.words = json.loads(data[20 : 20 + size])
        binary, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0" and binary % 4 == 0 and 28 + size + binary == len(data)
        self.binary = data[28 + size :]

    def array(self, index: int) -> np.ndarray:
        """An accessor's elements; matrices as rows and columns."""
        accessor = self.words["accessors"][index]
        view = self.words["bufferViews"][accessor["bufferView"]]
        kind = {5126: "<f4", 5121: "u1", 5123: "<u2", 5125: "<u4"}[accessor["componentType"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor["type"]]
        count = accessor["count"] * width
        flat = np.frombuffer(self.binary, kind, count, view["byteOffset"] + accessor.get("byteOffset", 0))
        assert flat.nbytes <= view["byteLength"]
        rows = flat.reshape(-1, width) if width > 1 else flat
        return rows.reshape(-1, 4, 4).swapaxes(1, 2) if width == 16 else rows

    def attribute(self, name: str) -> np.ndarray:
        return self.array(self.words["meshes"][0]["primitives"][0]["attributes"][name])

    def worlds(self, frame: int | None = None) -> dict[int, np.ndarray]:
        """World matrix (4, 4) of every node: as the nodes have them, or at a key frame of the animation."""
        local = {i: (node.get("translation", [0, 0, 0]), node.get("rotation", [0, 0, 0, 1])) for i, node in enumerate(self.words["nodes"])}
        if frame is not None:
            animation = self.words["animations"][0]
            for channel in animation["channels"]:
                value = self.array(animation["samplers"][channel["sampler"]]["output"])[frame]
                node, path = channel["target"]["node"], channel["target"]["path"]
                local[node] = (value, local[node][1]) if path == "translation" else (local[node][0], value)
        out = {}
        above = {child: i for i, node in enumerate(self.words["nodes"]) for child in node.get("children", ())}

        def world(i: int) -> np.ndarray:
            if i not in out:
                matrix = np.eye(4)
                matrix[:3, 3], matrix[:3, :3] = local[i][0], _from_quaternion(*local[i][1])
                out[i] = world(above[i]) @ matrix if i in above else matrix
            return out[i]

        for i in local:
            world(i)
        return out

    def joints(self, frame: int | None = None) -> dict[str, np.ndarray]:
        """World places of the skin's joints by name."""
        worlds = self.worlds(frame)
        return {self.words["nodes"][i]["name"]: worlds[i][:3, 3] for i in self.words["skins"][0]["joints"]}

    def skinned(self, frame: int | None = None) -> np.ndarray:
        """Vertices (V, 3) as a viewer shows them."""
        skin, worlds = self.words["skins"][0], self.worlds(frame)
        bones = np.stack([worlds[i] for i in skin["joints"]]) @ self.array(skin["inverseBindMatrices"])
        mixed = np.einsum("vk,vkij->vij", self.attribute("WEIGHTS_0"), bones[self.attribute("JOINTS_0")])
        rest = self.attribute("POSITION").astype(np.float64)
        return np.einsum("vij,vj->vi", mixed[:, :3, :3], rest) + mixed[:, :3, 3]


def _from_quaternion(x: float, y: float, z: float, w: float) -> np.ndarray:
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
