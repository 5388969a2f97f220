"""The plain baseline: one feature of the whole picture to the figure, on the backbone that Pose2Pose has."""

from torch import Tensor, nn

from estimator.backbone import Backbone
from estimator.head import FigureHead
from estimator.prediction import Prediction
from estimator.skeleton import Skeleton

HIDDEN = 256


class SingleFeature(nn.Module):
    """Pictures (B, 3, S, S) in [0, 1] to a Prediction without heatmaps: where joints are follows from the figure and its camera."""

    def __init__(self, width: int, groups: int, skeleton: Skeleton, mean_pose: Tensor):
        super().__init__()
        self.backbone = Backbone(width, groups)
        wide = self.backbone.wide_channels
        self.hidden = nn.Sequential(nn.Linear(wide, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU())
        self.head = FigureHead(HIDDEN, wide, skeleton, mean_pose)

    def forward(self, images: Tensor) -> Prediction:
        _, wide = self.backbone(images)
        pooled = wide.mean((2, 3))
        return self.head(self.hidden(pooled), pooled, images.shape[-1])
