"""Every model by its name, built for a training or read back from its file."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from estimator.footing import LIFTER, SKETCH2POSE, digests, footing
from estimator.pose2pose import Pose2Pose
from estimator.single_feature import SingleFeature
from estimator.skeleton import Skeleton
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.ranks import default_device
from stages.tensorfile import read_tensors
from stages.training import differences


def _sketch2pose(config: Estimator, skeleton: Skeleton, mean_pose: Tensor) -> nn.Module:
    from estimator.frozen import load_frozen  # imports diffusers, which takes seconds
    from estimator.sketch2pose import Sketch2PoseNet

    return Sketch2PoseNet(config.width, skeleton, mean_pose[0], load_frozen(config, default_device()), "generator" not in config.without)


def _lifter(config: Estimator, skeleton: Skeleton, mean_pose: Tensor) -> nn.Module:
    from estimator.guide import load_guide  # imports transformers, which takes seconds
    from estimator.lifter import Lifter

    guide = load_guide(footing(config)["detector"], default_device())
    return Lifter(config.width, skeleton, mean_pose, guide, "features" not in config.without)


MODELS: dict[str, Callable[[Estimator, Skeleton, Tensor], nn.Module]] = {
    "pose2pose": lambda config, skeleton, mean_pose: Pose2Pose(
        config.width, config.groups, skeleton, mean_pose, "pooling" not in config.without
    ),
    LIFTER: _lifter,
    SKETCH2POSE: _sketch2pose,
    "global": lambda config, skeleton, mean_pose: SingleFeature(config.width, config.groups, skeleton, mean_pose),
}
# Change one when the same recipe would train to other weights, or the same weights say something else.
VERSIONS = {"pose2pose": 5, LIFTER: 3, SKETCH2POSE: 6, "global": 5}


def build(config: Estimator, skeleton: Skeleton, mean_pose: Tensor) -> nn.Module:
    """A model with random weights, that starts from mean_pose (24, 3, 3). Raises UserError for a name that there is not."""
    if config.model not in MODELS:
        raise UserError(f"estimator.model: there is no {config.model!r}; expected one of {', '.join(MODELS)}")
    return MODELS[config.model](config, skeleton, mean_pose)


def load_model(path: Path, skeleton: Skeleton) -> tuple[nn.Module, Estimator]:
    """A trained model, ready to predict on its device, and its config.

    Raises UserError for a file that is no model, or was trained with another body, generator, detector or codes, or by another version.
    """
    weights, words = read_tensors(path)
    if not {"body", "config"} <= words.keys():
        raise UserError(f"{path}: not a trained estimator")
    if words["body"] != skeleton.digest():
        raise UserError(f"{path}: trained with another body; train again with this one")
    config = Estimator.model_validate(words["config"])
    if words["version"] != VERSIONS[config.model]:
        raise UserError(f"{path}: trained by a SKEP whose {config.model} was another; train it again")
    if changed := differences(words["frozen"], digests(config)):
        raise UserError(f"{path}: trained with another {', '.join(changed)}; train the estimator again")
    net = build(config, skeleton, torch.eye(3).expand(24, 3, 3))
    net.load_state_dict(weights)
    return net.to(default_device()).eval(), config
