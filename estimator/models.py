"""Every model by its name, built for a training or read back from its file."""

from pathlib import Path

import torch
from torch import Tensor, nn

from estimator.pose2pose import Pose2Pose
from estimator.single_feature import SingleFeature
from estimator.skeleton import Skeleton
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.tensorfile import read_tensors

MODELS = {"pose2pose": Pose2Pose, "global": SingleFeature}


def build(config: Estimator, skeleton: Skeleton, mean_pose: Tensor) -> nn.Module:
    """A model with random weights, that starts from mean_pose (24, 3, 3). Raises UserError for a name that there is not."""
    if config.model not in MODELS:
        raise UserError(f"estimator.model: there is no {config.model!r}; expected one of {', '.join(MODELS)}")
    return MODELS[config.model](config.width, config.groups, skeleton, mean_pose)


def load_model(path: Path, skeleton: Skeleton) -> tuple[nn.Module, Estimator, dict]:
    """A trained model, ready to predict on its device; its config; and the words it was saved with.

    Raises UserError for a file that is no model, or was trained with another body.
    """
    weights, words = read_tensors(path)
    if not {"body", "config"} <= words.keys():
        raise UserError(f"{path}: not a trained estimator")
    if words["body"] != skeleton.digest():
        raise UserError(f"{path}: trained with another body; train the estimator again")
    config = Estimator.model_validate(words["config"])
    net = build(config, skeleton, torch.eye(3).expand(24, 3, 3))
    net.load_state_dict(weights)
    return net.to(default_device()).eval(), config, words


def default_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
