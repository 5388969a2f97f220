"""The bundled held-out samples: frozen, whole, and read by those who judge with them."""

import json
from collections import Counter

import pytest

from estimator.data import Sketches
from manifests.dataset import FILE
from manifests.errors import UserError
from manifests.randomness import generator
from manifests.skeleton import STYLES
from stages.shards.check import check_dataset
from stages.shards.held_out import MOST_BYTES, PER_STYLE, freeze, open_held_out
from stages.shards.read import packed_samples

# Estimators are compared by these samples: other ones would be another name.
FROZEN = "e5ac0b1b5d0fbed8d883405e6a4e65325aca5b400cd4f18b6916064e3e941d14"


def test_it_is_the_one_that_was_frozen_and_whole():
    dataset = open_held_out("val-600")
    assert dataset.digest == FROZEN
    assert list(check_dataset(dataset)) == []
    assert sum(s.bytes for s in dataset.index.shards) <= MOST_BYTES


def test_each_style_has_a_hundred_about_half_of_them_by_the_renderer():
    dataset = open_held_out("val-600")
    with dataset.open("val-000000.tar") as file:
        words = [json.loads(sample.words) for sample in packed_samples(file, "val-000000.tar")]
    by = Counter((w["style"], w["generator"] == "renderer") for w in words)
    assert {style: by[style, True] + by[style, False] for style in STYLES} == dict.fromkeys(STYLES, PER_STYLE)
    assert all(0.35 < by[style, True] / PER_STYLE < 0.65 for style in STYLES)


def test_joints_that_are_called_visible_lie_in_the_picture():
    sketches = Sketches(open_held_out("val-600").url, "val", 256)
    for number in generator(0, "some", "val-600").choice(len(sketches), 60, replace=False):
        sample = sketches[int(number)]
        seen = sample.joints2d[sample.visibility == 2]
        assert ((seen >= 0) & (seen < 256)).all()


def test_only_what_can_be_measured_on_is_frozen(tmp_path):
    with pytest.raises(UserError, match=f"{FILE}: expected 99 val samples of each style"):
        freeze(open_held_out("val-600"), tmp_path / "frozen", per_style=99)
    assert not (tmp_path / "frozen").exists()


def test_another_does_not_take_the_place_of_a_frozen_one(tmp_path):
    (tmp_path / FILE).write_bytes(open_held_out("val-600").read(FILE).replace(b"{", b"{ ", 1))
    with pytest.raises(UserError, match="another dataset is frozen there"):
        freeze(open_held_out("val-600"), tmp_path)
