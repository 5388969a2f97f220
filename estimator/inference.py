"""A network's word on pictures."""

import time

import torch
from torch import Tensor, nn

from estimator.batch import collate
from estimator.guidance import Found
from estimator.lifter import Lifter
from estimator.prediction import Prediction
from estimator.sample import Sample
from stages.ranks import default_device


def say(net: nn.Module, images: Tensor, found: Found | None = None, placed: Tensor | None = None) -> Prediction:
    """What a network says of pictures (B, 3, S, S) in [0, 1].

    found: by a thorough look of the bundled detector; a lifter that stands on that concludes from it, one on another has learned to
    read its own. placed (B, 16, 2) in [0, 1]: where joints are for sure, else NaN; a lifter heeds it. Other networks know of neither.
    """
    if not isinstance(net, Lifter):
        return net(images)
    told = net.read(images)
    if found is not None and net.guide.bundled:
        told = told.seen_again(found)
    return net(images, told if placed is None else told.corrected(placed))


@torch.inference_mode()
def predict_all(net: nn.Module, samples: list[Sample], batch: int, found: Found | None = None) -> tuple[Prediction, float]:
    """What the network sees in the samples, told what was found in them, on the CPU and without heatmaps, and the seconds that the
    network alone took."""
    device, parts, seconds = default_device(), [], 0.0
    for start in range(0, len(samples), batch):
        images = collate(samples[start : start + batch]).to(device).pixels
        own = found and Found(*(part[start : start + batch] for part in found)).to(device)
        began = time.perf_counter()
        seen = say(net, images, own)._replace(heat=None)
        parts.append([a.cpu() for a in seen if a is not None])
        seconds += time.perf_counter() - began
    return Prediction(*(torch.cat(column) for column in zip(*parts, strict=True))), seconds
