"""COCO person keypoints: `annotations/person_keypoints_<split>.json`, and the pictures in a folder for each split."""

import json
from pathlib import Path

import numpy as np

from manifests.dataset import Dataset
from manifests.skeleton import JOINTS
from stages.body.figure import Figure
from stages.body.regressors import KEYPOINTS
from stages.exports.figures import Body, Exported, exported, folder_for, keypoints2d

POINTS = KEYPOINTS["coco17"]
# Bones between POINTS, counted from 1 as COCO does.
BONES = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10), (9, 11), (2, 3), (1, 2), (1, 3),
    (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip
PERSON = {"id": 1, "name": "person", "supercategory": "person", "keypoints": POINTS, "skeleton": BONES}
_BEHIND_M = 0.03  # skin that is nearer than a mark of the face by more than this hides it
NOT_LABELLED, HIDDEN, SEEN = 0, 1, 2


def export_coco(dataset: Dataset, out: Path, body_path: Path | None = None) -> int:
    """Write pictures and annotations into the folder `out`; returns the number of samples. Equal datasets give equal bytes."""
    body, count = Body(dataset, body_path), 0
    rows = body.rows("coco17")
    (folder_for(out) / "annotations").mkdir(exist_ok=True)
    for split in sorted({s.split for s in dataset.index.shards}):
        (out / split).mkdir(exist_ok=True)
        images: list[dict] = []
        figures: list[dict] = []
        for sample in (sample for shard in dataset.shards(split) for sample in exported(dataset, shard)):
            name = f"{sample.sample_id}.{sample.extension}"
            (out / split / name).write_bytes(sample.image)
            count += 1
            about = {"width": sample.size, "height": sample.size, "style": sample.words["style"]}
            images.append({"id": count, "file_name": name, **about})
            figures.append({"id": count, "image_id": count, **annotation(sample, body, rows)})
        words = {"info": {"description": dataset.index.title}, "licenses": [{"id": 1, "name": dataset.index.licence}]}
        words |= {"images": images, "annotations": figures, "categories": [PERSON]}
        (out / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(words, separators=(",", ":")))
    return count


def annotation(sample: Exported, body: Body, rows: np.ndarray) -> dict:
    """COCO's description of a figure; pixels from the top-left corner."""
    figure = body.drawn(sample)
    points, seen = keypoints2d(rows, figure), visibility(sample, figure, rows)
    x0, y0, x1, y1 = np.clip(sample.labels["bbox"], 0, sample.size).astype(float)
    flat = [[round(float(x), 2), round(float(y), 2), v] if v else [0, 0, 0] for (x, y), v in zip(points, seen, strict=True)]
    return {
        "category_id": PERSON["id"], "iscrowd": 0, "segmentation": [], "area": int((figure.part > 0).sum()),
        "bbox": [round(v, 2) for v in (x0, y0, x1 - x0, y1 - y0)], "num_keypoints": sum(v > 0 for v in seen),
        "keypoints": [v for point in flat for v in point],
    }  # fmt: skip


def visibility(sample: Exported, figure: Figure, rows: np.ndarray) -> list[int]:
    """COCO's flag of each keypoint: a joint that a drawing has too is as visible as its label says, a mark of the face by depth."""
    points = rows @ figure.vertices
    labels = dict(zip(JOINTS, sample.labels["visibility"].tolist(), strict=True))
    flags = []
    for name, point, (x, y) in zip(POINTS, points, keypoints2d(rows, figure), strict=True):
        if not (0 <= x < sample.size and 0 <= y < sample.size):
            flags.append(NOT_LABELLED)
        elif name in labels:
            flags.append(max(HIDDEN, labels[name]))
        else:
            front = figure.depth[int(y), int(x)]
            flags.append(HIDDEN if 0 < front < point[2] - _BEHIND_M else SEEN)
    return flags
