"""Drawings that others have annotated with 2D joints, read as the 16 joints of ours.

Amateur Drawings and Human-Art: a JSON file of COCO's form beside a folder of pictures. AnimatedDrawings: a folder for each character.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from manifests.errors import UserError
from manifests.skeleton import JOINTS

_COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
# What others call our joints, the better name first; two names joined by + mean halfway between.
_NAMES = {name: (name,) for name in JOINTS} | {
    "head": ("head", "left_ear+right_ear", "nose", "left_eye+right_eye"),
    "neck": ("neck", "left_shoulder+right_shoulder"),
    "right_wrist": ("right_wrist", "right_hand"), "left_wrist": ("left_wrist", "left_hand"),
    "right_ankle": ("right_ankle", "right_foot"), "left_ankle": ("left_ankle", "left_foot"),
}  # fmt: skip
# Words in a picture's path that tell its style (Human-Art's folders, and plain ones).
_STYLES = {
    "cartoon": "cartoon", "oil": "oil", "shuimo": "ink", "ink": "ink", "sketch": "charcoal", "charcoal": "charcoal",
    "stick": "stick", "kids": "kids", "children": "kids",
}  # fmt: skip
_DEFAULT = "kids"  # of Amateur Drawings and AnimatedDrawings
_LEAST = 8  # joints that a figure must have


@dataclass(frozen=True)
class Annotated:
    """One figure: path of the picture, joints (16, 2) px with NaN where not known, box (4,) px x0, y0, x1, y1, style."""

    path: Path
    joints: np.ndarray
    box: np.ndarray
    style: str


def read_annotated(folder: Path, style: str | None = None) -> Iterator[Annotated]:
    """Every figure in a folder, in the order of the files' names; style: of all of them, else what their paths tell."""
    found = False
    for path in sorted(folder.rglob("char_cfg.yaml")):
        found = True
        yield from _character(path, style)
    for path in sorted(folder.rglob("*.json")):
        data = _coco(path)
        if data is not None:
            found = True
            yield from _figures(path, data, style)
    if not found:
        raise UserError(f"{folder}: neither a char_cfg.yaml (AnimatedDrawings) nor a JSON file of COCO keypoints in it")


def sixteen(points: dict[str, np.ndarray]) -> np.ndarray:
    """Joints (16, 2) from points by name; NaN where none of a joint's names is known."""
    joints = np.full((len(JOINTS), 2), np.nan)
    for i, name in enumerate(JOINTS):
        for names in (known.split("+") for known in _NAMES[name]):
            if all(n in points for n in names):
                joints[i] = np.mean([points[n] for n in names], axis=0)
                break
    return joints


def _character(path: Path, style: str | None) -> Iterator[Annotated]:
    """AnimatedDrawings: joints of the cropped texture beside the file."""
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
        points = {joint["name"]: np.array(joint["loc"], float) for joint in config["skeleton"]}
        size = np.array([config["width"], config["height"]], float)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError):
        raise UserError(f"{path}: not a character of AnimatedDrawings (skeleton, width, height)") from None
    picture = path.with_name("texture.png")
    joints = _with_skull(sixteen(points), points)
    if picture.exists():
        yield Annotated(picture, joints, np.concatenate([[0, 0], size]), style or _style_of(picture))


def _with_skull(joints: np.ndarray, points: dict[str, np.ndarray]) -> np.ndarray:
    """AnimatedDrawings calls the nose neck, and the middle of the shoulders torso."""
    if "head" not in points and "torso" in points and "neck" in points:
        joints[0], joints[1] = points["neck"], points["torso"]
    return joints


def _coco(path: Path) -> dict | None:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and {"images", "annotations"} <= data.keys() else None


def _figures(path: Path, data: dict, style: str | None) -> Iterator[Annotated]:
    names = {c["id"]: c.get("keypoints") or _COCO for c in data.get("categories", []) if "id" in c}
    files = {image["id"]: image["file_name"] for image in data["images"]}
    for row in sorted(data["annotations"], key=lambda row: row.get("id", 0)):
        points = _points(row, names.get(row.get("category_id"), _COCO))
        picture = _picture(path, files.get(row.get("image_id"), ""))
        joints = _with_skull(sixteen(points), points)
        if picture is None or np.isfinite(joints).all(1).sum() < _LEAST:
            continue
        yield Annotated(picture, joints, _box(row, joints), style or _style_of(picture))


def _points(row: dict, names) -> dict[str, np.ndarray]:
    values = np.array(row.get("keypoints") or [], float).reshape(-1, 3)
    return {name: value[:2] for name, value in zip(names, values, strict=False) if value[2] > 0}


def _picture(path: Path, name: str) -> Path | None:
    """The picture of a name that may be told from the JSON file's folder, from one above, or from `images`."""
    places = [base / part / name for base in (path.parent, path.parent.parent) for part in ("", "images")]
    return next((place for place in places if name and place.is_file()), None)


def _box(row: dict, joints: np.ndarray) -> np.ndarray:
    if len(row.get("bbox") or ()) == 4:
        x, y, width, height = map(float, row["bbox"])
        if width > 1 and height > 1:
            return np.array([x, y, x + width, y + height])
    return np.concatenate([np.nanmin(joints, 0), np.nanmax(joints, 0)])


def _style_of(picture: Path) -> str:
    words = re.split("[^a-z]+", "/".join(picture.parts[-4:]).lower())
    return next((style for word, style in _STYLES.items() if word in words), _DEFAULT)
