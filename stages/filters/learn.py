"""What says that a limb is drawn: weights of the evidence of limbs.py, learned from limbs that were erased on purpose."""

from collections.abc import Sequence

import numpy as np

from stages.detector.detect import Detector
from stages.filters.limbs import LIMBS, Limb, evidence
from stages.filters.look import Look, looks_at
from stages.filters.planted import erasable_limb, erased
from stages.filters.sketchbook import Sketchbook
from stages.pictures import png

SEED, ERASED = 8101, 150  # of drawings that are not calibrated on, and not judged by
_RIDGE, _STEPS = 1.0, 30
_DIGITS = 4


def learn(detector: Detector) -> np.ndarray:
    """Weights (6,) of EVIDENCE and a constant, by logistic regression on ERASED limbs that are missing and those that are there."""
    book, rows, gone = Sketchbook(SEED), list[dict](), list[Limb]()
    for row, drawn in book.pages():
        limb = erasable_limb(drawn)
        if limb:
            rows.append({**row, "image": png(erased(drawn, limb))})
            gone.append(_as_judged(limb.joints))
        if len(rows) == ERASED:
            break
    return weights_of(looks_at(detector, rows), gone, looks_at(detector, book.rows))


def weights_of(missing: Sequence[Look], gone: Sequence[Limb], clean: Sequence[Look]) -> np.ndarray:
    """Weights (6,) from drawings that lack one limb each, and drawings that lack none."""
    absent = [said[limb] for look, limb in zip(missing, gone, strict=True) if limb in (said := evidence(look))]
    present = [said for look in clean for said in evidence(look).values()]
    return logistic(np.array(absent + present), np.arange(len(absent + present)) >= len(absent)).round(_DIGITS)


def logistic(given: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Weights (F + 1,) with which given (N, F) and a constant tell whether there (N,) is true, by Newton's method with a ridge."""
    mean, spread = given.mean(0), given.std(0) + 1e-9
    known = np.c_[(given - mean) / spread, np.ones(len(given))]
    ridge, weights = _RIDGE * np.r_[np.ones(given.shape[1]), 1e-6], np.zeros(known.shape[1])
    for _ in range(_STEPS):
        sure = 1 / (1 + np.exp(-known @ weights))
        slope = known.T @ (sure - there) + ridge * weights
        weights -= np.linalg.solve((known * (sure * (1 - sure))[:, None]).T @ known + np.diag(ridge), slope)
    scaled = weights[:-1] / spread
    return np.r_[scaled, weights[-1] - scaled @ mean]


def _as_judged(joints: tuple[int, ...]) -> Limb:
    return next(limb for limb in LIMBS if limb[0] == joints[0])
