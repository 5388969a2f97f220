"""How well a copy of a drawing keeps its lines: line-F1 and PSNR, and the weights that make lines count in training."""

import cv2
import numpy as np
import torch
from torch import Tensor

_REACH = 3.0  # px at 256: a line is darker or lighter than what lies so far around it
_CONTRAST = 14.0  # grey levels
_SLACK = 1  # px that a line may stray
_SCALES = 3  # at which gradients are compared


def line_mask(picture: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool of lines, dark or light, in a picture (H, W, 3) uint8."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    around = cv2.GaussianBlur(grey, (0, 0), _REACH * len(picture) / 256)
    return np.abs(grey - around) > _CONTRAST


def line_f1(picture: np.ndarray, copy: np.ndarray) -> float:
    """F1 of the copy's lines against the picture's, give or take a pixel; 1 where neither has any."""
    true, found = line_mask(picture), line_mask(copy)
    if not true.any() and not found.any():
        return 1.0
    right, kept = (found & _wide(true)).sum(), (true & _wide(found)).sum()
    precision, recall = right / max(1, found.sum()), kept / max(1, true.sum())
    return float(2 * precision * recall / max(1e-9, precision + recall))


def psnr(picture: np.ndarray, copy: np.ndarray) -> float:
    """Peak signal over noise in decibels."""
    error = float(np.mean((picture.astype(np.float32) - copy.astype(np.float32)) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-6)))


def line_weights(pictures: Tensor) -> Tensor:
    """How much each pixel (B, 1, H, W) of pictures (B, 3, H, W) in -1..1 is part of a line or an edge, 0..1."""
    grey = pictures.mean(1, keepdim=True)
    low = torch.nn.functional.avg_pool2d(grey, 7, 1, 3, count_include_pad=False)
    return ((grey - low).abs() * 4).clamp(max=1)


def gradient_gap(pictures: Tensor, copies: Tensor) -> Tensor:
    """Mean difference of the gradients in x and y, at full, half and quarter size: stands in for a perceptual loss."""
    gap = pictures - copies
    total = gap.new_zeros(())
    for scale in range(_SCALES):
        gap = torch.nn.functional.avg_pool2d(gap, 2) if scale else gap
        total = total + (gap[..., 1:] - gap[..., :-1]).abs().mean() + (gap[..., 1:, :] - gap[..., :-1, :]).abs().mean()
    return total / _SCALES


def _wide(mask: np.ndarray) -> np.ndarray:
    side = 2 * _SLACK + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
