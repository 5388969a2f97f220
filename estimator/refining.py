"""Figures by the fit: from joints alone, or a network's, laid on the joints that were found."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from estimator.figure import Figure, Hypothesis, as_read
from estimator.fitting import Fit, fit
from estimator.hints import Hints
from stages.body.model import BodyModel


class Joints(NamedTuple):
    """Of B pictures: places (B, 16, 2) px, what each counts in a fit (B, 16), how surely it was seen (B, 16) in [0, 1]."""

    places: np.ndarray
    weights: np.ndarray
    confidence: np.ndarray


def fitted(joints: Joints, hints: Sequence[Hints], body: BodyModel) -> list[Figure]:
    """Figures from joints alone."""
    return _figures(fit(joints.places, joints.weights, body=body, hints=hints), np.zeros((len(hints), 10)), joints)


def refined(figures: Sequence[Figure], joints: Joints, body: BodyModel) -> list[Figure]:
    """The figures laid on their joints, and each of their hypotheses as well, or a clip that chooses another would lose the joints."""
    poses = [[figure.pose, *(way.pose for way in figure.hypotheses)] for figure in figures]
    owners = np.repeat(np.arange(len(figures)), [len(own) for own in poses])
    betas, scales = _shapes([figures[int(i)] for i in owners])
    found = fit(joints.places[owners], joints.weights[owners], np.concatenate(poses), body=body, betas=betas, bone_scales=scales)
    laid = []
    for i, figure in enumerate(figures):
        own = Fit(*(part[owners == i, 0] for part in found))
        laid.append(_laid(figure, own, joints.places[i], joints.confidence[i]))
    return laid


def heeded(figures: Sequence[Figure], joints: Joints, hints: Sequence[Hints], body: BodyModel) -> list[Figure]:
    """What the fit makes of the figures and the user's hints, which may speak against any of their hypotheses: it has its own."""
    poses, (betas, scales) = np.stack([figure.pose for figure in figures]), _shapes(figures)
    found = fit(joints.places, joints.weights, poses, body=body, betas=betas, bone_scales=scales, hints=hints)
    return _figures(found, betas, joints)


def _shapes(figures: Sequence[Figure]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([figure.betas for figure in figures]), np.stack([figure.bone_scales for figure in figures])


def _figures(found: Fit, betas: np.ndarray, joints: Joints) -> list[Figure]:
    """The best reading of each figure, all of them beside it."""
    made = []
    for i, shape in enumerate(betas):
        ways = tuple(map(Hypothesis, found.pose[i], found.score[i].tolist(), found.bone_scales[i], found.camera[i]))
        made.append(Figure(ways[0].pose, shape, ways[0].bone_scales, ways[0].camera, joints.places[i], joints.confidence[i], ways))
    return made


def _laid(figure: Figure, found: Fit, places: np.ndarray, confidence: np.ndarray) -> Figure:
    """A figure of which the fit says `found`: of its pose, then of its hypotheses, which are as likely as they were."""
    scores = [1.0, *(way.score for way in figure.hypotheses)]
    itself, *others = map(Hypothesis, found.pose, scores, found.bone_scales, found.camera)
    return as_read(replace(figure, joints2d=places, confidence=confidence, hypotheses=tuple(others)), itself)
