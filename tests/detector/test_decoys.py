"""Pictures of nobody: what they show, and how they come among those that the finder learns from."""

import numpy as np
import pytest

from manifests.randomness import generator
from stages.detector.augment import picture_of
from stages.detector.decoys import decoy, emptied, held_out, jigsaw, sheet, with_props
from stages.detector.look import Noise
from stages.detector.things import HELD_OUT, LEARNT
from tests.detector.figures import SIDE, drawings, figure


@pytest.mark.parametrize("draw", (*LEARNT, *HELD_OUT))
def test_a_thing_is_drawn_in_its_square_hardly_twice_the_same(draw):
    things = [draw(generator(0, f"thing-{i}", "detector")) for i in range(30)]
    points = [np.concatenate(lines) for lines in things]
    assert all(np.isfinite(p).all() and len(p) > 1 for p in points)
    assert np.mean([((p > -0.1) & (p < 1.1)).mean() for p in points]) > 0.9
    assert len({p.tobytes() for p in points}) > 20
    again = np.concatenate(draw(generator(0, "thing-3", "detector")))
    assert np.array_equal(again, points[3])


def test_what_judges_is_never_shown_in_training():
    assert not {f.__name__ for f in LEARNT} & {f.__name__ for f in HELD_OUT}
    shown = {sheet(i).tobytes() for i in range(20)}
    assert len(shown) == 20 and not shown & {image.tobytes() for image in held_out(20)}


def test_a_decoy_is_a_picture_with_something_on_it():
    images = [decoy(generator(0, f"decoy-{i}", "detector")) for i in range(40)]
    assert all(image.shape == (128, 128, 3) and image.dtype == np.uint8 for image in images)
    assert np.mean([image.std() > 8 for image in images]) > 0.6


def test_a_jigsaw_has_all_of_the_drawing_but_no_figure():
    image, joints = figure(3)
    box = np.concatenate([joints.min(0), joints.max(0)])
    puzzle = jigsaw(image, box, generator(0, "jigsaw", "detector"))
    side = int(max(box[2:] - box[:2]) / 4)
    kept = image[: SIDE // side * side, : SIDE // side * side]
    assert np.array_equal(np.sort(puzzle.reshape(-1, 3), 0), np.sort(kept.reshape(-1, 3), 0))
    assert (puzzle != kept).any(-1).mean() > 0.02


def test_an_emptied_drawing_keeps_what_lies_around_the_figure():
    image, joints = figure(3)
    image[2:6, 240:] = 0
    left = emptied(image, np.concatenate([joints.min(0) - 20, joints.max(0) + 20]))
    assert (left[2:6, 240:] == 0).all()
    assert (np.abs(image[8:].astype(int) - 235) > 100).any() and (np.abs(left[8:].astype(int) - 235) < 20).all()


def test_props_are_drawn_over_the_figure_and_rub_nothing_out():
    image, _ = figure(1)
    shown = [with_props(image, generator(0, f"props-{i}", "detector")) for i in range(20)]
    assert all(one.shape == image.shape and (one.astype(int) <= image.astype(int) + 1).all() for one in shown)
    assert 10 < sum((one < image - 40.0).any() for one in shown) <= 20


def test_a_third_of_the_pictures_show_nobody():
    some, noise = drawings(4), Noise(0)
    pictures = [picture_of(some, i % 4, (i + 1) % 4, generator(0, f"picture-{i}", "detector"), noise) for i in range(300)]
    there = np.array([picture.there for picture in pictures])
    assert 0.27 < 1 - there.mean() < 0.43
    assert all(bool(picture.figure.any()) <= picture.there for picture in pictures)
    assert np.mean([picture.figure.any() for picture in pictures if picture.there]) > 0.95
