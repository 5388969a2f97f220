"""Every model by its name, built for a training or read back from its file."""

from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from estimator.footing import LIFTER, SKETCH2POSE, footing, found_again
from estimator.pose2pose import Pose2Pose
from estimator.single_feature import SingleFeature
from estimator.skeleton import Skeleton
from manifests.errors import UserError
from manifests.recipe import Estimator
from stages.ranks import default_device
from stages.tensorfile import read_tensors


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
    config = _config_of(path, words)
    net = build(config, skeleton, torch.eye(3).expand(24, 3, 3))
    try:
        net.load_state_dict(weights)
    except RuntimeError:
        raise UserError(f"{path}: its weights are not those of its config; train it again") from None
    return net.to(default_device()).eval(), config


def _config_of(path: Path, words: dict) -> Estimator:
    """The config of a trained model; its parts are where they lie now."""
    model = words["config"].get("model")
    if words.get("version") != VERSIONS.get(model):
        raise UserError(f"{path}: trained by a SKEP whose {model} was another; train it again")
    try:
        config = Estimator.model_validate(words["config"])
        return config.model_copy(update=found_again(model, words["frozen"], words["places"], path.parent))
    except (ValidationError, KeyError):
        raise UserError(f"{path}: its config is not one of this SKEP; train it again") from None
    except UserError as e:
        raise UserError(f"{path}: {e}") from None
