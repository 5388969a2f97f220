"""Figures by the fit: from joints alone, or a network's, laid on the joints that were found."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from estimator.figure import Figure, Hypothesis, as_read, in_picture, posed
from estimator.fitting import Fit, fit
from estimator.hints import Hints
from stages.body.model import BodyModel


class Joints(NamedTuple):
    """Of B pictures: places (B, 16, 2) px, what each counts in a fit (B, 16), how surely it was seen (B, 16) in [0, 1]."""

    places: np.ndarray
    weights: np.ndarray
    confidence: np.ndarray


def fitted(joints: Joints, hints: Sequence[Hints], body: BodyModel) -> list[Figure]:
    """Figures from joints alone: the best reading of each, all of them beside it."""
    found, made = fit(joints.places, joints.weights, body=body, hints=hints), []
    for i in range(len(hints)):
        ways = tuple(map(Hypothesis, found.pose[i], found.score[i].tolist(), found.bone_scales[i], found.camera[i]))
        made.append(Figure(ways[0].pose, np.zeros(10), ways[0].bone_scales, ways[0].camera, joints.places[i], joints.confidence[i], ways))
    return made


def misses(figure: Figure, corrected: Sequence[int], body: BodyModel) -> float:
    """How far the figure lies from those joints in the picture, the worst of them, in shares of the figure's size."""
    shown = in_picture(figure, posed(body, figure).joints16)
    size = np.linalg.norm(figure.joints2d - figure.joints2d.mean(0), axis=-1).mean()
    return float(np.linalg.norm((shown - figure.joints2d)[list(corrected)], axis=-1).max() / max(size, 1e-6))


def refined(figures: Sequence[Figure], joints: Joints, hints: Sequence[Hints], body: BodyModel) -> list[Figure]:
    """The figures laid on their joints as far as their user's hints allow, and each of their hypotheses as well, or a clip that
    chooses another would lose the joints."""
    poses = [[figure.pose, *(way.pose for way in figure.hypotheses)] for figure in figures]
    owners = np.repeat(np.arange(len(figures)), [len(own) for own in poses])
    betas, scales = _shapes([figures[int(i)] for i in owners])
    start, told = np.concatenate(poses), [hints[int(i)] for i in owners]
    found = fit(joints.places[owners], joints.weights[owners], start, body=body, betas=betas, bone_scales=scales, hints=told)
    laid = []
    for i, figure in enumerate(figures):
        own = Fit(*(part[owners == i, 0] for part in found))
        laid.append(_laid(figure, own, joints.places[i], joints.confidence[i]))
    return laid


def _shapes(figures: Sequence[Figure]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([figure.betas for figure in figures]), np.stack([figure.bone_scales for figure in figures])


def _laid(figure: Figure, found: Fit, places: np.ndarray, confidence: np.ndarray) -> Figure:
    """A figure of which the fit says `found`: of its pose, then of its hypotheses, which are as likely as they were."""
    scores = [1.0, *(way.score for way in figure.hypotheses)]
    itself, *others = map(Hypothesis, found.pose, scores, found.bone_scales, found.camera)
    return as_read(replace(figure, joints2d=places, confidence=confidence, hypotheses=tuple(others)), itself)
