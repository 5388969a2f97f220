"""Confidence that means what it says: of joints with 0.8, four in five were found."""

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor, nn

from estimator.inference import predict_all
from estimator.losses.places import found
from estimator.sample import Sample

BINS = 10
CALIBRATION, NEUTRAL = "confidence.calibration", (1.0, 0.0)  # the buffer of every model, and slope and offset that change nothing
_EDGE = 1e-6  # probabilities this close to 0 and 1 have no log odds


def calibrated(net: nn.Module, held: list[Sample], batch: int) -> Tensor:
    """Slope and offset (2,) of the log odds that suit samples not learned from; those of no change where there are none."""
    if not held:
        return torch.tensor(NEUTRAL)
    seen, _ = predict_all(net, held, batch)
    truth = torch.from_numpy(np.stack([s.joints2d for s in held]))
    hit = found(seen.joints2d, truth) & (torch.from_numpy(np.stack([s.visibility for s in held])) > 0)
    return torch.tensor(platt(seen.confidence.flatten().numpy(), hit.flatten().numpy()), dtype=torch.float32)


def platt(confidence: np.ndarray, hit: np.ndarray) -> tuple[float, float]:
    """Slope and offset of log odds, most likely for hits (N,) of confidence (N,); near (1, 0) where a few say little (Platt, 1999)."""
    odds, hit = _odds(confidence), hit.astype(np.float64)

    def nll(line: np.ndarray) -> float:
        told = line[0] * odds + line[1]
        return float(np.logaddexp(0, told).sum() - (hit * told).sum() + ((line - (1, 0)) ** 2).sum() / 2)

    slope, offset = minimize(nll, np.array([1.0, 0.0])).x
    return float(slope), float(offset)


def straightened(confidence: np.ndarray, slope: float, offset: float) -> np.ndarray:
    """Confidence (N,) whose log odds are moved along a line."""
    return expit(slope * _odds(confidence) + offset)


def reliability(confidence: np.ndarray, hit: np.ndarray) -> dict:
    """Ten bins of confidence (N,): joints in each, their mean confidence, share found; and by how much the two differ on average."""
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = [
        {"joints": int(mine.sum()), "confidence": round(float(confidence[mine].mean()), 4), "found": round(float(hit[mine].mean()), 4)}
        for mine in (which == b for b in range(BINS))
        if mine.any()
    ]
    error = sum(b["joints"] * abs(b["confidence"] - b["found"]) for b in bins) / max(len(confidence), 1)
    return {"bins": bins, "expected_calibration_error": round(error, 4)}


def _odds(confidence: np.ndarray) -> np.ndarray:
    p = np.clip(confidence.astype(np.float64), _EDGE, 1 - _EDGE)
    return np.log(p / (1 - p))
