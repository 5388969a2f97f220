"""Near-duplicates among many samples, without comparing all with all."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa

from manifests.schema import to_numpy
from stages.filters.fingerprint import SIDE
from stages.same_pose import pose_vectors, same_poses

_AT_ONCE = 1 << 22  # pairs that are looked at in one go


def leaks(table: pa.Table, in_play: np.ndarray) -> list[int]:
    """Rows in play, a mask (N,), of the split train that have nearly the pose of one of val in play."""
    poses, val = pose_vectors(to_numpy(table, "pose"), to_numpy(table, "joints3d")), _is_val(table)
    train = np.flatnonzero(in_play & ~val)
    return train[same_poses(poses[train], poses[in_play & val]) >= 0].tolist()


def copies(table: pa.Table, in_play: np.ndarray, bits: int, most: float) -> list[int]:
    """Rows in play that look like one that goes before: val before train, then the upper row. A copy of a copy is one too."""
    ranked = np.flatnonzero(in_play)
    ranked = ranked[np.argsort(~_is_val(table)[ranked], kind="stable")]
    hashes, thumbnails = table["picture_hash"].to_numpy()[ranked], to_numpy(table, "thumbnail")[ranked]
    return np.unique(ranked[like_pictures(hashes, thumbnails, bits, most)[:, 1]]).tolist()


def _is_val(table: pa.Table) -> np.ndarray:
    return np.array([split == "val" for split in table["split"].to_pylist()], bool)


def like_pictures(hashes: np.ndarray, thumbnails: np.ndarray, bits: int, most: float) -> np.ndarray:
    """Pairs (M, 2) of rows whose pictures are near-duplicates, each once, the lower row first; of exact copies, each with the first.

    hashes (N,) uint64 that differ in `bits` bits at most; thumbnails (N, 16, 16) uint8 about 128, whose difference is at most `most`
    of their own contrast.
    """
    thumbnails = thumbnails.reshape(len(hashes), SIDE * SIDE)
    firsts, copies = _exact(hashes, thumbnails)
    forms = thumbnails.astype(np.float32) - 128
    found = [copies]
    for pairs in _candidates(hashes[firsts], bits + 1):
        pairs = firsts[pairs]
        pairs = pairs[np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) <= bits]
        found.append(pairs[_apart(forms[pairs[:, 0]], forms[pairs[:, 1]]) <= most])
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def _exact(hashes: np.ndarray, thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each picture, and pairs (M, 2) of it and its copies."""
    whole = np.concatenate([hashes.astype("<u8").view(np.uint8).reshape(len(hashes), 8), thumbnails], axis=1)
    _, firsts, which = np.unique(np.ascontiguousarray(whole).view(f"V{whole.shape[1]}").ravel(), return_index=True, return_inverse=True)
    pairs = np.stack([firsts[which], np.arange(len(hashes))], 1)
    return np.sort(firsts), pairs[pairs[:, 0] != pairs[:, 1]]


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far two sets of forms (M, F) differ: the length of the difference over the sum of the lengths, in [0, 1]."""
    whole = np.linalg.norm(a, axis=1) + np.linalg.norm(b, axis=1)
    return np.linalg.norm(a - b, axis=1) / np.maximum(whole, 1e-6)


def _candidates(hashes: np.ndarray, bands: int) -> Iterator[np.ndarray]:
    """Pairs (M, 2) of hashes that agree in one of so many bands of their bits: all that differ in fewer bits than there are bands."""
    edges = np.linspace(0, 64, bands + 1).astype(int).tolist()
    for low, high in pairwise(edges):
        keys = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        yield from _pairs_of_equals(keys)


def _pairs_of_equals(keys: np.ndarray) -> Iterator[np.ndarray]:
    """All pairs (M, 2) of places with equal keys, about _AT_ONCE at a time."""
    order = np.argsort(keys, kind="stable")
    after = np.searchsorted(keys[order], keys[order], side="right") - np.arange(len(keys)) - 1  # of each, those behind it in its group
    for part in np.split(np.arange(len(keys)), np.flatnonzero(np.diff(after.cumsum() // _AT_ONCE)) + 1):
        first = np.repeat(part, after[part])
        step = np.arange(len(first)) - np.repeat(after[part].cumsum() - after[part], after[part])
        yield np.stack([order[first], order[first + 1 + step]], 1)
