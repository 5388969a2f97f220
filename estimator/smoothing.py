"""Frames of one movement: of each frame the reading that goes with its neighbours, then a local line with Gaussian weights."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from estimator.figure import Figure, Hypothesis, as_read
from estimator.rotations import nearest_rotations

_CHANGE = 2.0  # nats for one unit of mean squared difference between the rotation matrices of successive frames


def smoothed(figures: Sequence[Figure], sigma: float) -> list[Figure]:
    """The figures of successive frames without flips, smoothed over `sigma` frames; 0 for no smoothing."""
    frames = consistent(figures)
    if sigma <= 0 or len(frames) < 2:
        return frames
    kernel = _kernel(len(frames), sigma)
    turns = nearest_rotations(np.einsum("fg,gjab->fjab", kernel, np.stack([f.pose for f in frames])))
    cameras = np.stack([f.camera for f in frames])
    cameras = np.concatenate([np.exp(kernel @ np.log(cameras[:, :1])), kernel @ cameras[:, 1:]], 1)
    scales = np.exp(kernel @ np.log([f.bone_scales for f in frames]))  # with the cameras, to which they are fitted
    parts = zip(frames, turns, scales, cameras, strict=True)
    return [replace(f, pose=pose, bone_scales=scale, camera=camera) for f, pose, scale, camera in parts]


def consistent(figures: Sequence[Figure]) -> list[Figure]:
    """Of each frame that reading which makes the cheapest path through all of them (Viterbi): likely, and little change."""
    options = [(_own(f), *f.hypotheses) for f in figures]
    total, back = _unlikely(options[0]), []
    for before, after in pairwise(options):
        change = np.array([[_CHANGE * ((a.pose - b.pose) ** 2).sum((-1, -2)).mean() for b in before] for a in after])
        back.append((change + total).argmin(1))
        total = (change + total).min(1) + _unlikely(after)
    path = [int(total.argmin())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return [as_read(f, ways[k]) for f, ways, k in zip(figures, options, reversed(path), strict=True)]


def _own(figure: Figure) -> Hypothesis:
    """What the figure says of itself, as likely as the likeliest of its hypotheses."""
    return Hypothesis(figure.pose, max((way.score for way in figure.hypotheses), default=1.0), figure.bone_scales, figure.camera)


def _unlikely(ways: Sequence[Hypothesis]) -> np.ndarray:
    """Nats (K,)."""
    return -np.log([max(way.score, 1e-6) for way in ways])


def _kernel(frames: int, sigma: float) -> np.ndarray:
    """Shares (F, F): of each frame, what every frame gives. Of a line through the frames about it: a mean alone would pull the first
    and the last frame inwards."""
    apart = np.arange(frames)[:, None] - np.arange(frames)
    weights = np.exp(-((apart / sigma) ** 2) / 2)
    weights /= weights.sum(1, keepdims=True)
    middle = (weights * apart).sum(1, keepdims=True)
    spread = (weights * (apart - middle) ** 2).sum(1, keepdims=True)
    return weights * (1 - middle * (apart - middle) / np.maximum(spread, 1e-12))
