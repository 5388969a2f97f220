"""A trained network: read from its folder, and asked about figures in pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from estimator.guidance import Found
from estimator.inference import say
from estimator.models import load_model
from estimator.prediction import Prediction
from estimator.skeleton import Skeleton
from estimator.state import MODEL, finished
from manifests.errors import UserError
from stages.body.model import load_body
from stages.detector.crops import apply, cut, square_matrix
from stages.detector.detect import Detections
from stages.ranks import default_device


class Network(NamedTuple):
    """A trained model, on its device; the side of its input in pixels; its name, as `skep train` knows it."""

    net: torch.nn.Module
    size: int
    name: str


def read_net(folder: Path, body: Path | None) -> Network:
    """A finished training's network, for use. Raises UserError naming the folder."""
    if finished(folder) is None:
        raise UserError(f"{folder}: no finished training there; expected {MODEL} and its words, as `skep train` leaves them")
    net, config = load_model(folder / MODEL, Skeleton(load_body(body)))
    return Network(net, config.size, config.model)


@torch.inference_mode()
def said_of(
    network: Network,
    pictures: Sequence[np.ndarray],
    boxes: np.ndarray,
    placed: np.ndarray | None = None,
    found: Detections | None = None,
) -> tuple[Prediction, list[np.ndarray]]:
    """What a network says of the figures in boxes (B, 4) px of pictures, and the way from each picture into its crop (2, 3).

    placed (B, 16, 2) px: where joints are for sure, else NaN; found: what a thorough look found. See `say`.
    """
    matrices = [square_matrix(box, network.size) for box in boxes]
    crops = np.stack([cut(picture, matrix, (network.size, network.size)) for picture, matrix in zip(pictures, matrices, strict=True)])
    images = torch.from_numpy(crops).to(default_device()).permute(0, 3, 1, 2).float().div_(255).contiguous()

    def across(points: np.ndarray) -> np.ndarray:
        return np.stack([apply(matrix, own) for matrix, own in zip(matrices, points, strict=True)]) / network.size

    again = None if found is None else found_of(found, across(found.joints)).to(images.device)
    sure = None if placed is None else torch.from_numpy(across(placed)).to(images)
    return say(network.net, images, again, sure), matrices


def found_of(found: Detections, places: np.ndarray) -> Found:
    """What a detector found, its joints (B, 16, 2) in [0, 1], as networks are told of it."""
    return Found(*(torch.from_numpy(np.asarray(a, np.float32)) for a in (places, found.confidence, found.visibility)))
