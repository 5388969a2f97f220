"""The drawings made by hand: complete, labelled inside their pictures, and joints lie where something is drawn."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manifests.skeleton import JOINTS, STYLES
from stages.annotated.reader import read_annotated

FOLDER = Path(__file__).parent / "data/drawings"
WORDS = json.loads((FOLDER / "annotations.json").read_text())
PICTURES = [(image, next(a for a in WORDS["annotations"] if a["image_id"] == image["id"])) for image in WORDS["images"]]
NEAR, CONTRAST = 12, 30  # px, half a thick limb, to the next pixel that is drawn on; levels that it differs by from the paper


def test_twelve_pictures_two_a_style():
    assert Counter(image["style"] for image in WORDS["images"]) == dict.fromkeys(STYLES, 2)
    assert len(WORDS["annotations"]) == 12 and WORDS["categories"][0]["keypoints"] == list(JOINTS)


def test_they_are_read_as_samples():
    samples = list(read_annotated(FOLDER))
    assert len(samples) == 12 and all(sample.known.all() for sample in samples)


@pytest.mark.parametrize(("image", "figure"), PICTURES, ids=[image["file_name"] for image, _ in PICTURES])
def test_picture_and_labels_agree(image, figure):
    path = FOLDER / image["file_name"]
    with Image.open(path) as picture:
        assert picture.size == (image["width"], image["height"])
    assert path.with_suffix(".svg").is_file() and path.stat().st_size < 150_000
    points = np.reshape(figure["keypoints"], (16, 3))
    left, top, width, height = figure["bbox"]
    inside = (points[:, :2] >= 0).all(1) & (points[:, :2] < (image["width"], image["height"])).all(1)
    assert (inside | (points[:, 2] == 0)).all()
    boxed = (points[:, :2] >= (left - 1, top - 1)).all(1) & (points[:, :2] <= (left + width + 1, top + height + 1)).all(1)
    assert boxed.all()


def _paper(pixels):
    """The colour (3,) that the picture has most of, to 16 levels."""
    colours, counts = np.unique(pixels.reshape(-1, 3) // 16, axis=0, return_counts=True)
    return colours[counts.argmax()] * 16 + 8


@pytest.mark.parametrize(("image", "figure"), [p for p in PICTURES if p[0]["style"] != "oil"], ids=lambda x: x.get("file_name", ""))
def test_visible_joints_lie_near_something_drawn(image, figure):
    pixels = np.asarray(Image.open(FOLDER / image["file_name"]).convert("RGB"), int)
    drawn = np.argwhere(np.abs(pixels - _paper(pixels)).max(-1) > CONTRAST)[:, ::-1] + 0.5
    for name, (x, y, seen) in zip(JOINTS, np.reshape(figure["keypoints"], (16, 3)), strict=True):
        distance = np.linalg.norm(drawn - (x, y), axis=1).min()
        assert seen < 2 or distance <= NEAR, f"{name}: {distance:.0f} px from anything drawn"
