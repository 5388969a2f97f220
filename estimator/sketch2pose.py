"""Sketch2PoseNet: guidance in 2D, features of a frozen generator, a regressor with a discrete pose prior."""

import torch
from torch import Tensor, nn

from estimator.camera import camera_of, laid_on_its_joints
from estimator.features import Features
from estimator.frozen import Frozen
from estimator.head import Confidence
from estimator.pose2pose import DEPTH_RANGE
from estimator.prediction import Prediction
from estimator.regressor import Regressor, layer_centres
from estimator.rotations import from_6d, to_6d
from estimator.skeleton import Skeleton


class Sketch2PoseNet(nn.Module):
    """Pictures (B, 3, S, S) in [0, 1], S the generator's, to a Prediction.

    What is frozen is not among the weights; `mean_root` (3, 3) is the turn that the root starts from.
    generator: its features are seen; else, to see what they are worth, latent and heatmaps alone.
    """

    mean_six: Tensor

    def __init__(self, width: int, skeleton: Skeleton, mean_root: Tensor, frozen: Frozen, generator: bool = True):
        super().__init__()
        self.frozen = frozen  # a tuple: its parts are not parts of this one, whose weights are saved
        wide = 4 * width  # as the wide features of Pose2Pose
        self.features = Features(frozen.generator, wide, generator)
        self.regressor = Regressor(wide, frozen.codes.size)
        self.confidence = Confidence()
        self.skeleton = skeleton
        self.register_buffer("mean_six", to_6d(mean_root))

    def forward(self, images: Tensor) -> Prediction:
        with self.features.mixed(images):
            guidance = self.frozen.guide(images)
        said = self.regressor(self.features(images, guidance), guidance)
        body, six = self.frozen.codes.mixture(said.logits), self.mean_six + said.six
        pose = torch.cat([from_6d(six)[:, None], body], 1)
        betas, camera, scales = said.whole.split([10, 3, 24], dim=1)
        size, bone_scales = images.shape[-1], scales.exp()
        seen = Prediction(
            pose=pose,
            six=torch.cat([six[:, None], to_6d(body)], 1),
            betas=betas,
            camera=camera_of(camera, size),
            joints3d=self.skeleton(pose, betas),
            joints2d=said.moved * size,
            depth=DEPTH_RANGE * (said.depth_heat.exp() @ layer_centres(said.depth_heat)),
            bone_scales=bone_scales,
            joints3d_drawn=self.skeleton(pose, betas, bone_scales),
            confidence=self.confidence(said.sure),
            codes=said.logits if self.training else None,
        )
        return seen if self.training else laid_on_its_joints(seen)
