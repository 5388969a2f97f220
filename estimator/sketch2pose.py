"""Sketch2PoseNet: guidance in 2D, features of a frozen generator, a regressor with a discrete pose prior."""

import torch
from torch import Tensor, nn

from estimator.features import Features, Generator
from estimator.guidance import Guide
from estimator.pose2pose import DEPTH_RANGE
from estimator.pose_codes import PoseCodes
from estimator.prediction import Prediction
from estimator.regressor import Regressor, layer_centres
from estimator.rotations import from_6d, to_6d
from estimator.skeleton import Skeleton


class Sketch2PoseNet(nn.Module):
    """Pictures (B, 3, S, S) in [0, 1], S the generator's, to a Prediction.

    guide, generator and codes are frozen and not among the weights; `mean_root` (3, 3) is the turn that the root starts from.
    """

    mean_six: Tensor

    def __init__(self, width: int, skeleton: Skeleton, mean_root: Tensor, guide: Guide, generator: Generator, codes: PoseCodes):
        super().__init__()
        self.guide = guide
        self._codes = (codes.eval().requires_grad_(False),)  # in a tuple: not a part whose weights are saved
        self.features = Features(generator, width)
        self.regressor = Regressor(width, codes.size)
        self.skeleton = skeleton
        self.register_buffer("mean_six", to_6d(mean_root))

    @property
    def codes(self) -> PoseCodes:
        """The prior that the pose is written in."""
        return self._codes[0]

    def forward(self, images: Tensor) -> Prediction:
        guidance = self.guide(images)
        said = self.regressor(self.features(images, guidance), guidance)
        body, six = self.codes.mixture(said.logits), self.mean_six + said.six
        pose = torch.cat([from_6d(six)[:, None], body], 1)
        betas, camera, scales = said.whole.split([10, 3, 24], dim=1)
        size, bone_scales = images.shape[-1], scales.exp()
        return Prediction(
            pose=pose,
            six=torch.cat([six[:, None], to_6d(body)], 1),
            betas=betas,
            camera=torch.cat([size / 2 * camera[:, :1].exp(), size * (camera[:, 1:] + 0.5)], dim=1),
            joints3d=self.skeleton(pose, betas),
            joints2d=said.moved * size,
            depth=DEPTH_RANGE * (said.depth_heat.exp() @ layer_centres(said.depth_heat)),
            bone_scales=bone_scales,
            joints3d_drawn=self.skeleton(pose, betas, bone_scales),
            confidence=said.sure.sigmoid(),
            depth_heat=said.depth_heat,
        )
