"""Near-duplicates: found among many without comparing all with all, and none besides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.duplicates import like_pictures
from stages.filters.fingerprint import fingerprint
from stages.filters.planted import copied
from tests.detector.figures import figure


def _slow(hashes, forms, bits, most):
    """All with all."""
    apart = lambda a, b: np.linalg.norm(a - b) / max(np.linalg.norm(a) + np.linalg.norm(b), 1e-6)  # noqa: E731
    pairs = [(i, j) for i in range(len(hashes)) for j in range(i + 1, len(hashes))]
    return [p for p in pairs if bin(int(hashes[p[0]] ^ hashes[p[1]])).count("1") <= bits and apart(*(forms[k] for k in p)) <= most]


@given(st.integers(0, 2**32), st.integers(0, 7))
def test_the_bands_find_every_pair_that_a_full_search_finds(seed, bits):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**63, 4).astype(np.uint64)[rng.integers(0, 4, 40)]
    for _ in range(3):
        hashes ^= np.uint64(1) << rng.integers(0, 64, 40).astype(np.uint64)
    thumbnails = rng.integers(0, 2, (40, 1, 1)).astype(np.uint8) * 90 + rng.integers(80, 84, (40, 16, 16)).astype(np.uint8)
    found = like_pictures(hashes, thumbnails, bits, 0.1)
    assert found.tolist() == [list(p) for p in _slow(hashes, thumbnails.astype(float) - 128, bits, 0.1)]


def test_exact_copies_are_found_however_many_there_are():
    found = like_pictures(np.full(3000, 5, np.uint64), np.full((3000, 16, 16), 130, np.uint8), 4, 0.1)
    assert set(found[:, 1].tolist()) == set(range(1, 3000)) and (found[:, 0] == 0).all()


def test_no_rows_have_no_duplicates():
    assert like_pictures(np.zeros(0, np.uint64), np.zeros((0, 16, 16), np.uint8), 4, 0.1).shape == (0, 2)


@pytest.mark.parametrize("size", [256, 512])
def test_a_copy_has_nearly_the_same_fingerprint_and_another_drawing_has_not(size):
    import cv2

    pictures = [cv2.resize(figure(seed)[0], (size, size), interpolation=cv2.INTER_AREA) for seed in range(12)]
    again = [copied(picture, np.random.default_rng(i)) for i, picture in enumerate(pictures)]
    hashes, thumbnails = zip(*map(fingerprint, pictures + again), strict=True)
    found = like_pictures(np.array(hashes, np.uint64), np.stack(thumbnails), 6, 0.15)
    assert found.tolist() == [[i, i + 12] for i in range(12)]
