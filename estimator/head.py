"""The last step of every model: numbers of a network become a Prediction."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from estimator.camera import camera_of, laid_on_its_joints, project
from estimator.prediction import Prediction
from estimator.rotations import from_6d, to_6d
from estimator.skeleton import Skeleton
from manifests.skeleton import JOINTS

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


class FigureHead(nn.Module):
    """What was learned of a figure (B, known) and of the whole picture (B, pooled) to a Prediction.

    Starts from mean_pose (24, 3, 3), the mean shape, true proportions and an even chance that a joint is found.
    """

    mean_six: Tensor

    def __init__(self, known: int, pooled: int, skeleton: Skeleton, mean_pose: Tensor):
        super().__init__()
        self.turns, self.scales, self.sure = (zeroed(nn.Linear(known, count)) for count in (24 * 6, 24, len(JOINTS)))
        self.whole = zeroed(nn.Linear(pooled, 10 + 3))
        self.confidence = Confidence()
        self.skeleton = skeleton
        self.register_buffer("mean_six", to_6d(mean_pose))

    def forward(self, known: Tensor, pooled: Tensor, size: int, where: Tensor | None = None) -> Prediction:
        """where (B, 16, 3): joints2d in px and depth in m as read from the picture; without them those of the figure are told."""
        six = self.mean_six + self.turns(known).unflatten(1, (24, 6))
        pose, bone_scales = from_6d(six), self.scales(known).exp()
        betas, numbers = self.whole(pooled).split([10, 3], dim=1)
        camera = camera_of(numbers, size)
        drawn = self.skeleton(pose, betas, bone_scales)
        seen = Prediction(
            pose=pose,
            six=six,
            betas=betas,
            camera=camera,
            joints3d=self.skeleton(pose, betas),
            joints2d=project(drawn, camera) if where is None else where[..., :2],
            depth=drawn[..., 2] if where is None else where[..., 2],
            bone_scales=bone_scales,
            joints3d_drawn=drawn,
            confidence=self.confidence(self.sure(known)),
        )
        return seen if where is None or self.training else laid_on_its_joints(seen)


class Confidence(nn.Module):
    """Log odds to probabilities, by a slope and an offset that are found on drawings that were not learned from."""

    calibration: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    def forward(self, odds: Tensor) -> Tensor:
        slope, offset = self.calibration
        return (slope * odds + offset).sigmoid()


def zeroed(layer: Layer) -> Layer:
    """A layer that starts by saying nothing, so training starts from the mean."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
