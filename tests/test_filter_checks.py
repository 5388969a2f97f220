"""Each check of the filter on matchstick figures: what is right passes, what is wrong is seen."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from manifests.skeleton import MIRROR, STYLES
from stages.filters import box, figures, limbs, pose, style
from stages.filters.learn import logistic, weights_of
from stages.filters.look import Look
from stages.filters.planted import Drawn, erasable_limb, erased, paint_over
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
    assert box.check(elsewhere, 0.6)[0] and not box.check(elsewhere, 0.75)[0]
    keep, reason, score = box.check(replace(elsewhere, box=np.array([0.0, 200, 40, 250])), 0.5)
    assert not keep and reason and score < 0.2


ARM = (5, 6, 7)


def _without_an_arm(look: Look) -> Look:
    bones = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(bones, [np.round(look.joints[list(ARM)]).astype(np.int32)], False, 1, 11)
    return replace(look, image=paint_over(look.image, bones > 0, bones > 0))


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    """Learned as those of the calibration are, from other figures than those that are judged here."""
    clean = [_look(seed) for seed in range(20, 44)]
    return weights_of([_without_an_arm(look) for look in clean], [ARM] * len(clean), clean)


@pytest.mark.parametrize("seed", range(6))
def test_a_limb_that_is_not_drawn_is_missed(seed, weights):
    look = _look(seed)
    whole, without = limbs.least_certain(look, weights), _without_an_arm(look)
    assert limbs.least_certain(without, weights) < whole - 0.2
    assert not limbs.check(without, whole - 0.1, weights)[0] and limbs.check(look, whole, weights)[0]


def test_a_limb_that_the_detector_does_not_find_says_less():
    look = _look()
    elsewhere = look.found_joints.copy()
    elsewhere[[12, 13, 14]] += 60
    sure, unsure = (
        dict(zip(limbs.EVIDENCE, limbs.evidence(seen)[11, 12, 13], strict=True)) for seen in (look, replace(look, found_joints=elsewhere))
    )
    assert unsure["near"] < 0.1 < sure["near"] == 1 and unsure["bones"] == sure["bones"]
    assert limbs.evidence(replace(look, found_joints=elsewhere))[8, 9, 10][-1] == unsure["near"]


def test_marks_on_a_rough_ground_say_less():
    look, rng = _look(), np.random.default_rng(0)
    rough = np.clip(look.image + rng.normal(0, 40, (SIDE // 8, SIDE // 8, 1)).repeat(8, 0).repeat(8, 1), 0, 255).astype(np.uint8)
    for limb, said in limbs.evidence(replace(look, image=rough)).items():
        assert said[0] < limbs.evidence(look)[limb][0] - 1


def test_a_limb_that_cannot_be_judged_is_no_reason(weights):
    assert limbs.least_certain(replace(_look(), visibility=np.ones(16)), weights) == 1.0


def test_weights_tell_what_is_there_from_what_is_not():
    rng = np.random.default_rng(0)
    given = rng.normal(0, 1, (4000, 3)) * [1, 10, 0.1] + [0, 5, 1]
    sure = given @ [2.0, -0.1, 0.0] + 1
    there = rng.random(4000) < 1 / (1 + np.exp(-sure))
    assert np.abs(logistic(given, there)[[0, 1]] - [2.0, -0.1]).max() < 0.2


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
    limb = erasable_limb(drawn)
    assert limb is not None and (erased(drawn, limb) != image).any()
    assert erasable_limb(drawn._replace(visibility=np.ones(16))) is None
