"""Grain, softness and grounds: everything that works on whole pictures. Lengths are in units, so that any size looks the same."""

import cv2
import numpy as np

from stages.sketches.drawing.layer import UNITS, Fill, Layer


def noise(rng: np.random.Generator, size: int, grain: float) -> np.ndarray:
    """Smooth noise (size, size) of unit deviation whose blobs are about `grain` units wide; as many numbers from rng at any size."""
    cells = UNITS if grain <= 1.5 else max(4, int(UNITS / grain) + 3)
    field = rng.standard_normal((cells, cells), np.float32)
    field = fitted(blur(field, grain) if grain <= 1.5 else field, UNITS)
    return fitted(field / (field.std() + 1e-6), size)


def fitted(image: np.ndarray, size: int) -> np.ndarray:
    """The image (H, W, …) at another size."""
    if len(image) == size:
        return image
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if size < len(image) else cv2.INTER_CUBIC)


def warp(image: np.ndarray, shift_x: np.ndarray, shift_y: np.ndarray) -> np.ndarray:
    """The image read at places moved by the shifts (H, W) in units."""
    scale = len(image) / UNITS
    y, x = np.indices(image.shape[:2], np.float32)
    return cv2.remap(image, x + scale * shift_x, y + scale * shift_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of so many units; nothing for a tiny one."""
    sigma = sigma * len(image) / UNITS
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.2 else image


def polygon(size: int, points: np.ndarray) -> Layer:
    """The inside of a polygon (N, 2) in units, with soft edges."""
    fine = np.zeros((3 * size, 3 * size), np.uint8)
    corners = (3 * size / UNITS * points - 0.5) * 16
    cv2.fillPoly(fine, [np.round(corners).astype(np.int32)], 255, cv2.LINE_8, 4)
    return Layer(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255, [Fill([points])])


def soft(mask: np.ndarray, sigma: float = 0.6) -> np.ndarray:
    """A mask as ink with edges soft over `sigma` units."""
    return blur(mask.astype(np.float32), sigma)


def rough(layer: Layer, tooth: np.ndarray, bite: float, strength: float = 1.0) -> Layer:
    """Dry ink on paper with a tooth (noise of unit size): thin ink stays on the grain's hills; bite 0..1 is how rough."""
    ink = layer.ink
    return layer.with_ink(strength * np.clip(ink * (1 + bite) - bite * np.clip(0.45 + 0.35 * tooth, 0, 1.2), 0, 1) * (ink > 0))


def picture_of(image: np.ndarray) -> np.ndarray:
    """The finished picture as (H, W, 3) uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
