"""The detector's confidence, made to mean what it says."""

import json

import numpy as np
import pytest

from estimator import trust
from estimator.calibration import platt, reliability
from manifests.skeleton import STYLES
from stages.detector.detect import load_detector
from stages.detector.drawings import Drawings
from stages.detector.weights import BUNDLED
from stages.tensorfile import weights_digest

EACH = 16


def _sketches() -> Drawings:
    """The first sketches of each style of val-600, which nothing was calibrated on."""
    every = trust.held_out("val-600")
    return every.only(np.concatenate([np.flatnonzero(every.styles == style)[:EACH] for style in range(len(STYLES))]))


def test_the_bundled_line_is_of_the_bundled_detector():
    assert json.loads(trust.FILE.read_bytes())["detector"] == weights_digest(BUNDLED)
    assert (np.diff(trust.trusted(np.linspace(0.05, 0.95, 10))) > 0).all()


def test_another_detector_keeps_its_own_word(monkeypatch):
    monkeypatch.setattr(trust, "weights_digest", lambda _: "other")
    trust._line.cache_clear()
    try:
        assert trust.trusted(np.array([0.3, 0.9])) == pytest.approx([0.3, 0.9])
    finally:
        trust._line.cache_clear()


def test_confidence_means_more_on_sketches_that_it_was_not_found_on():
    told, right = trust.told_and_right(load_detector(), _sketches())
    raw, ours = (reliability(c, right)["expected_calibration_error"] for c in (told, trust.trusted(told)))
    assert ours < 0.75 * raw
    slope, offset = platt(told, right)
    assert slope > 1 and offset < 0  # as the bundled line has it
