"""Annotated pictures as others write them: COCO keypoints, AnimatedDrawings characters."""

import json

import cv2
import numpy as np
import yaml

from manifests.skeleton import JOINTS
from stages.annotated.keypoints import CHARACTER_NAMES

COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
HEIGHT, WIDTH = 200, 300


def spread(names, **other):
    """{name: (x, y, v)}: every point somewhere else, all visible unless told otherwise."""
    return {name: other.get(name, (10 + 5 * i, 20 + 3 * i, 2)) for i, name in enumerate(names)}


def write_coco(folder, points, names=None, **changes):
    """A COCO file of one picture and one figure, and the picture; `changes` replace parts of it."""
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "a.png"), np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    words = {
        "images": [{"id": 3, "file_name": "a.png", "width": WIDTH, "height": HEIGHT} | changes.get("image", {})],
        "categories": [{"id": 1, "keypoints": list(names or points)}],
        "annotations": [
            {"id": 7, "image_id": 3, "category_id": 1, "bbox": [10, 20, 100, 50], "keypoints": np.ravel(list(points.values())).tolist()}
        ],
    }
    words["annotations"][0] |= changes.get("annotation", {})
    (folder / "coco.json").write_text(json.dumps(words | changes.get("file", {})))
    return folder / "coco.json"


def joint(sample, name):
    index = JOINTS.index(name)
    return (*sample.joints[index], int(sample.visibility[index])) if sample.known[index] else None


def write_character(folder, mask=False, **changes):
    folder.mkdir(parents=True)
    picture = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    cv2.imwrite(str(folder / "texture.png"), picture)
    if mask:
        picture[40:60, 30:90] = 255
        cv2.imwrite(str(folder / "mask.png"), picture[..., 0])
    names = ("root", "hip", *CHARACTER_NAMES)
    skeleton = [{"loc": [10 + i, 20 + i], "name": name, "parent": None} for i, name in enumerate(names)]
    (folder / "char_cfg.yaml").write_text(yaml.safe_dump({"height": HEIGHT, "width": WIDTH, "skeleton": skeleton} | changes))
    return folder
