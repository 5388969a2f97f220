"""A network's word on many samples."""

import time

import torch
from torch import nn

from estimator.batch import collate
from estimator.prediction import Prediction
from estimator.sample import Sample
from stages.ranks import default_device


@torch.inference_mode()
def predict_all(net: nn.Module, samples: list[Sample], batch: int) -> tuple[Prediction, float]:
    """What the network sees in the samples, on the CPU and without heatmaps, and the seconds that the network alone took."""
    device, parts, seconds = default_device(), [], 0.0
    for start in range(0, len(samples), batch):
        images = collate(samples[start : start + batch]).to(device).pixels
        began = time.perf_counter()
        seen = net(images)._replace(heat=None)
        parts.append([a.cpu() for a in seen if a is not None])
        seconds += time.perf_counter() - began
    return Prediction(*(torch.cat(column) for column in zip(*parts, strict=True))), seconds
