"""What every model of the estimator says of a batch of sketches."""

from typing import NamedTuple

from torch import Tensor


class Prediction(NamedTuple):
    """What a network sees in B sketches. Camera frame: x right, y down, z away from the viewer, metres.

    pose (B, 24, 3, 3), the root in the camera frame; six (B, 24, 6), the rough columns it was made from; betas (B, 10);
    camera (B, 3), weak perspective of the drawn figure: scale in px per metre, then the hips' midpoint in px;
    joints3d (B, 16, 3) m of the body, camera frame, from the hips' midpoint; joints2d (B, 16, 2) px of the network's input;
    depth (B, 16) m of the drawn joints behind their hips' midpoint, read from the picture, not from the pose;
    bone_scales (B, 24) and joints3d_drawn (B, 16, 3) m from the hips' midpoint: the drawn proportions, as in the labels;
    confidence (B, 16) in [0, 1]: the probability that a joint of joints2d lies within 0.1 torso lengths of its place, in the picture.
    Of models that find joints by heatmaps, else None: heat (B, 16, H, W) the logarithm of each joint's share of every cell, the
    ring of cells around the picture included. Of models that say a pose in codes, in training, else None: codes (B, T, K), how
    likely each code of each token is, as logits.
    """

    pose: Tensor
    six: Tensor
    betas: Tensor
    camera: Tensor
    joints3d: Tensor
    joints2d: Tensor
    depth: Tensor
    bone_scales: Tensor
    joints3d_drawn: Tensor
    confidence: Tensor
    heat: Tensor | None = None
    codes: Tensor | None = None
