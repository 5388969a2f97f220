"""The filter stage: pictures that are no drawing are named, real drawings of every style pass."""

import cv2
import numpy as np
import pytest

from manifests import schema
from manifests.recipe import Ink, Recipe
from manifests.skeleton import STYLES
from manifests.stage import Config, Context
from stages.filters.ink import check
from stages.filters.stage import UNREADABLE, Filter
from stages.sketches.drawing import draw
from tests.test_drawing import figure_of, random_labels


def _paper(level: int, grain: float = 3) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, grain, (256, 256, 1))
    return np.clip(level + np.repeat(noise, 3, 2), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("level", [255, 244, 190, 60])
def test_blank_paper_is_rejected(level):
    keep, reason, score = check(_paper(level), Ink())
    assert not keep and reason == "blank" and score < 0.004


@pytest.mark.parametrize("level", [0, 8])
def test_black_picture_is_rejected(level):
    keep, reason, score = check(_paper(level, 1), Ink())
    assert not keep and reason == "too dark" and score > 0.98


@pytest.mark.parametrize("style", ["cartoon", "kids"])
def test_a_figure_far_too_large_for_the_sheet_is_rejected(style):
    picture = np.full((256, 256, 3), 250, np.uint8)
    cv2.ellipse(picture, (128, 40), (110, 150), 0, 0, 360, (200, 60, 50) if style == "kids" else (60, 60, 160), -1)
    keep, reason, _ = check(picture, Ink())
    assert not keep and reason == "cut at the border"


@pytest.mark.parametrize("style", STYLES)
def test_drawings_of_every_style_are_kept(style):
    figures = [figure_of(random_labels(seed)) for seed in range(4)]
    for seed in range(24):
        keep, reason, score = check(draw(figures[seed % 4], style, np.random.default_rng(seed)).image, Ink())
        assert keep, (seed, reason, score)


@pytest.fixture(scope="module")
def stage() -> Filter:
    made = Filter(Config(Recipe.model_validate({"name": "t", "poses": {"count": 6}}), Filter.config))
    made.setup("cpu")
    return made


def _table(images: list[bytes]):
    fields = [schema.SAMPLE_ID, schema.STYLE, schema.SKETCHES.field("image")]
    ids = [f"stick-{i:06d}" for i in range(len(images))]
    return schema.to_table(schema.pa.schema(fields), {"sample_id": ids, "style": ["stick"] * len(ids), "image": images})


def _context() -> Context:
    return Context(0, "filter", "p0", None, "cpu", schema.LOSSES.empty_table())  # type: ignore[arg-type]


def test_bytes_that_are_no_picture_are_rejected_with_a_reason(stage):
    good = cv2.imencode(".png", draw(figure_of(random_labels(2)), "stick", np.random.default_rng(0)).image)[1].tobytes()
    out = stage.process(_table([good, b"", b"not a picture", good[:60], cv2.imencode(".png", _paper(250))[1].tobytes()]), _context())
    assert out.schema == schema.FILTER
    assert out["reason"].to_pylist() == ["", UNREADABLE, UNREADABLE, UNREADABLE, "blank"]
    assert out["score_ink"].to_pylist()[1] == 0


def test_preview_writes_the_reason(stage):
    data = cv2.imencode(".png", _paper(250))[1].tobytes()
    plain, marked = stage.preview({"image": data, "reason": ""}), stage.preview({"image": data, "reason": "blank"})
    assert (plain != marked).any() and stage.preview({"image": b"x", "reason": UNREADABLE}).shape == (256, 256, 3)
