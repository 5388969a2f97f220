"""What the optimisation fit says of samples, in a network's words: joints by the detector, poses by fitting."""

import time

import numpy as np
import torch

from estimator.fitting import Fit, fit
from estimator.load import detector, weights_of
from estimator.prediction import Prediction
from estimator.rotations import to_6d
from estimator.sample import Sample
from estimator.scan import cleaned
from estimator.skeleton import Skeleton
from stages.body.model import BodyModel
from stages.detector.detect import Detections

TOGETHER = 32  # samples that are fitted at a time


def fit_all(samples: list[Sample], body: BodyModel) -> tuple[Prediction, float]:
    """What detector and fit make of the samples' pictures, without heatmaps, and the seconds that both took."""
    look, skeleton, parts = detector().detect, Skeleton(body), []  # as `predict` looks
    began = time.perf_counter()
    for start in range(0, len(samples), TOGETHER):
        found = look([cleaned(sample.image) for sample in samples[start : start + TOGETHER]])
        seen = _said(fit(found.joints, weights_of(found), body=body), found, skeleton)
        parts.append([a for a in seen if a is not None])
    seconds = time.perf_counter() - began
    return Prediction(*(torch.cat(column) for column in zip(*parts, strict=True))), seconds


def _said(fits: Fit, found: Detections, skeleton: Skeleton) -> Prediction:
    """The best reading of each figure, with the mean shape; where joints are seen, and how surely, is the detector's word."""
    best = fits.pose[:, 0], fits.bone_scales[:, 0], fits.camera[:, 0], found.joints, found.confidence
    pose, scales, camera, joints2d, sure = (torch.from_numpy(np.asarray(a, np.float32)) for a in best)
    betas = torch.zeros(len(pose), 10)
    drawn = skeleton(pose, betas, scales)
    return Prediction(
        pose=pose,
        six=to_6d(pose),
        betas=betas,
        camera=camera,
        joints3d=skeleton(pose, betas),
        joints2d=joints2d,
        depth=drawn[..., 2],
        bone_scales=scales,
        joints3d_drawn=drawn,
        confidence=sure,
    )
