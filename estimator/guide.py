"""The detector as a guide: its finder and its ViTPose, both frozen, as one function of pictures."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from estimator.guidance import Guidance, extent
from estimator.mixed import frozen
from manifests.errors import UserError
from stages.detector.crops import HEIGHT, LEAST, PADDING, PICTURE, WIDTH
from stages.detector.detect import load_detector
from stages.detector.eyes import OwnEyes
from stages.detector.finder_net import FinderNet, boxes_of
from stages.detector.heatmaps import COLUMNS, ROWS, decode, second, spread
from stages.detector.pose_net import PoseNet, scaled
from stages.detector.weights import BUNDLED
from stages.tensorfile import weights_digest


class Guide:
    """The two networks of the detector as one function of whole pictures, on the device and without leaving it.

    Not a module: its weights are the detector's, and are not saved with the estimator's. bundled: they are SKEP's own.
    """

    def __init__(self, finder: FinderNet, eyes: PoseNet, bundled: bool = False):
        self.finder, self.eyes, self.bundled = frozen(finder), frozen(eyes), bundled

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Guidance:
        """Pictures (B, 3, S, S) in [0, 1]."""
        height, corner = _crops(self.boxes(images))
        seen = self.eyes(scaled(_cut(images, height, corner)))
        share = spread(seen.logits)
        (cells, mass), (other_cells, other_mass) = decode(share), second(share)
        joints, others = (
            corner[:, None] + places / places.new_tensor([COLUMNS, ROWS]) * extent(height)[:, None] for places in (cells, other_cells)
        )
        visibility, features = seen.visibility.float().softmax(-1), seen.features.float()
        return Guidance(joints, mass, others, other_mass, visibility, features, share, height, corner, torch.zeros_like(mass))

    def boxes(self, images: Tensor) -> Tensor:
        """Boxes (B, 4) x0, y0, x1, y1 of the figures, in [0, 1] across the picture."""
        small = F.interpolate(images, (PICTURE, PICTURE), mode="bilinear", antialias=True)
        return boxes_of(self.finder(scaled(small)).edges) / PICTURE


def load_guide(folder: Path, device: torch.device) -> Guide:
    """The detector of a folder. Raises UserError where it is none of ours."""
    detector = load_detector(folder, str(device))
    if not isinstance(detector.eyes, OwnEyes):
        raise UserError(f"{folder}: a detector of another kind; only one of `make train-detector` can guide")
    return Guide(detector.finder.net, detector.eyes.net, weights_digest(folder) == weights_digest(BUNDLED))


def _crops(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Height of the padded crop (B,) and its corner (B, 2), in [0, 1] of the picture, by the rule of stages.detector.crops."""
    low, high = boxes[:, :2], boxes[:, 2:]
    wide, tall = (high - low).clamp(min=LEAST / PICTURE).unbind(-1)
    height = PADDING * torch.maximum(tall, wide * HEIGHT / WIDTH)
    return height, (low + high) / 2 - extent(height) / 2


def _cut(images: Tensor, height: Tensor, corner: Tensor) -> Tensor:
    """Crops (B, 3, 256, 192) of pictures (B, 3, S, S); beyond the picture lies its border."""
    down, across = ((torch.arange(n, device=images.device) + 0.5) / n for n in (HEIGHT, WIDTH))
    places = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)[None]
    places = corner[:, None, None] + places * extent(height)[:, None, None]
    return F.grid_sample(images, places * 2 - 1, padding_mode="border", align_corners=False)
