"""What the optimisation fit says of samples, in a network's words: joints by the detector, poses by fitting."""

import time
from typing import NamedTuple

import numpy as np
import torch

from estimator.fitting import Fit, fit
from estimator.guidance import Found
from estimator.load import detector, weights_of
from estimator.network import found_of
from estimator.prediction import Prediction
from estimator.rotations import to_6d
from estimator.sample import Sample
from estimator.skeleton import Skeleton
from estimator.trust import trusted
from stages.body.model import BodyModel
from stages.detector.detect import Detections
from stages.scan import cleaned

TOGETHER = 32  # samples that are fitted at a time


class Looked(NamedTuple):
    """What the detector finds in samples, TOGETHER at a time, and the seconds that it took."""

    found: list[Detections]
    seconds: float

    def across(self, size: int) -> Found:
        """The same of all samples, as networks are told of it; their pictures are `size` px a side."""
        parts = [found_of(part, part.joints / size) for part in self.found]
        return Found(*(torch.cat(column) for column in zip(*parts, strict=True)))


def look_at(samples: list[Sample]) -> Looked:
    """Their pictures, as `predict` looks at them."""
    detect, began = detector().detect, time.perf_counter()
    found = [detect([cleaned(sample.image) for sample in samples[i : i + TOGETHER]]) for i in range(0, len(samples), TOGETHER)]
    return Looked(found, time.perf_counter() - began)


def fit_all(looked: Looked, body: BodyModel, start: Prediction | None = None) -> tuple[Prediction, float]:
    """What the fit makes of it, from nothing or from what a network says of all, without heatmaps; seconds of detector and fit."""
    skeleton, parts, began = Skeleton(body), [], time.perf_counter()
    for number, found in enumerate(looked.found):
        rows = slice(number * TOGETHER, number * TOGETHER + len(found.joints))
        known = {} if start is None else {name: getattr(start, name)[rows].numpy() for name in ("betas", "bone_scales")}
        pose = None if start is None else start.pose[rows].numpy()
        fits = fit(found.joints, weights_of(found), pose, body=body, **known)
        seen = _said(fits, found, skeleton, known.get("betas", np.zeros((len(found.joints), 10))))
        parts.append([a for a in seen if a is not None])
    seconds = looked.seconds + time.perf_counter() - began
    return Prediction(*(torch.cat(column) for column in zip(*parts, strict=True))), seconds


def _said(fits: Fit, found: Detections, skeleton: Skeleton, shape: np.ndarray) -> Prediction:
    """The best reading of each figure; where joints are seen, and how surely, is the detector's word."""
    best = fits.pose[:, 0], fits.bone_scales[:, 0], fits.camera[:, 0], found.joints, trusted(found.found)
    pose, scales, camera, joints2d, sure, betas = (torch.from_numpy(np.asarray(a, np.float32)) for a in (*best, shape))
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
