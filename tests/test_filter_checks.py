"""Each check of the filter on matchstick figures: what is right passes, what is wrong is seen."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from manifests.skeleton import MIRROR, STYLES
from stages.filters import box, figures, limbs, pose, style
from stages.filters.look import Look
from stages.filters.planted import Drawn, erase_limb, paint_over
from tests.detector.figures import SIDE, figure


def _look(seed: int = 0, confidence: float = 0.5) -> Look:
    """A figure that the detector reads without error."""
    image, joints = figure(seed)
    bounds = np.concatenate([joints.min(0) - 8, joints.max(0) + 8])
    styles = np.full(6, 0.02)
    styles[STYLES.index("stick")] = 0.9
    seen = np.zeros((32, 32))
    columns, rows = np.clip(joints / 8, 0, 31).astype(int).T
    seen[rows, columns] = 1
    return Look(image, "stick", joints, np.full(16, 2), bounds, joints.copy(), np.full(16, confidence), bounds.copy(), styles, seen)


def test_joints_that_are_read_where_they_are_labelled_agree():
    assert pose.check(_look(), 1.0, 1.0) == (True, "", (1.0, 1.0))
    near = _look()
    near = replace(near, found_joints=near.joints + 3)
    assert 0.8 < pose.agreement(near)[0] < 1 and pose.agreement(near)[1] == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_labels_of_another_pose_do_not_agree(seed):
    look = replace(_look(seed), joints=figure(seed)[1][::-1])
    keep, reason, (oks, pck) = pose.check(look, 0.5, 0.5)
    assert not keep and reason and oks < 0.5 and pck < 0.5


def test_left_read_for_right_is_forgiven_where_the_detector_is_unsure():
    unsure, sure = _look(), _look(confidence=0.95)
    swapped = unsure.joints[list(MIRROR)]
    assert pose.agreement(replace(unsure, found_joints=swapped)) == (1.0, 1.0)
    assert pose.agreement(replace(sure, found_joints=swapped))[0] < 0.5


def test_only_joints_that_the_labels_call_visible_count():
    look = _look()
    wild = look.joints.copy()
    wild[4] = 0
    hidden = look.visibility.copy()
    hidden[4] = 1
    assert pose.agreement(replace(look, found_joints=wild))[0] < 1
    assert pose.agreement(replace(look, found_joints=wild, visibility=hidden)) == (1.0, 1.0)
    assert pose.agreement(replace(look, visibility=np.zeros(16))) == (0.0, 0.0)


def test_the_smallest_region_holds_most_edges_and_leaves_a_speck_out():
    image = np.full((SIDE, SIDE, 3), 240, np.uint8)
    cv2.circle(image, (100, 140), 50, (20, 20, 20), 2)
    cv2.circle(image, (240, 10), 2, (20, 20, 20), 1)
    assert np.abs(box.edge_box(image) - (50, 90, 150, 190)).max() <= 10
    assert box.edge_box(np.full((64, 128, 3), 9, np.uint8)).tolist() == [0, 0, 128, 64]


def test_the_better_of_two_boxes_counts():
    look = _look()
    assert box.check(look, 0.95)[0]
    elsewhere = replace(look, found_box=np.array([0.0, 0, 20, 20]))
    assert box.check(elsewhere, 0.7)[0]
    keep, reason, score = box.check(replace(elsewhere, box=np.array([0.0, 200, 40, 250])), 0.5)
    assert not keep and reason and score < 0.2


@pytest.mark.parametrize("seed", range(6))
def test_a_limb_that_is_not_drawn_is_missed(seed):
    look = _look(seed)
    whole = limbs.least_certain(look)
    bones = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(bones, [np.round(look.joints[[5, 6, 7]]).astype(np.int32)], False, 1, 11)
    without = replace(look, image=paint_over(look.image, bones > 0, bones > 0))
    assert limbs.least_certain(without) < whole - 0.2
    assert not limbs.check(without, whole - 0.1)[0] and limbs.check(look, whole)[0]


def test_a_limb_that_the_detector_does_not_find_counts_less():
    look = _look()
    elsewhere = look.found_joints.copy()
    elsewhere[[12, 13, 14]] += 60
    assert limbs.least_certain(replace(look, found_joints=elsewhere)) < limbs.least_certain(look) - 0.1


def test_a_limb_that_cannot_be_judged_is_no_reason():
    assert limbs.least_certain(replace(_look(), visibility=np.ones(16))) == 1.0


def test_what_is_seen_beside_the_labelled_figure_is_another():
    look = _look()
    assert figures.check(look, 1.0) == (True, "", 1.0)
    beside = look.figure.copy()
    beside[10:20, 27:31] = 1
    keep, reason, score = figures.check(replace(look, figure=beside), 0.99)
    assert not keep and reason and score == pytest.approx(1 - 40 / 1024, abs=0.01)


def test_the_probability_of_the_labelled_style_decides():
    look = _look()
    assert style.check(look, 0.5) == (True, "", pytest.approx(0.9))
    assert not style.check(replace(look, style="oil"), 0.5)[0]


def test_a_limb_is_erased_where_one_can_be():
    image, joints = figure(3)
    part = np.zeros((SIDE, SIDE), np.uint8)
    for value, (a, b) in {18: (5, 6), 20: (6, 7), 2: (11, 12), 5: (12, 13)}.items():
        cv2.line(part, tuple(joints[a].astype(int).tolist()), tuple(joints[b].astype(int).tolist()), value, 9)
    drawn = Drawn(image, part, joints, np.full(16, 2))
    erased = erase_limb(drawn)
    assert erased is not None and (erased != image).any()
    assert erase_limb(drawn._replace(visibility=np.ones(16))) is None
