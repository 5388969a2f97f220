"""Layers of ink, grain and colour: everything that works on whole pictures (H, W, 3) float32, RGB 0..255."""

import cv2
import numpy as np

RGB = tuple[float, float, float]


def blank(size: int) -> np.ndarray:
    """An empty layer of ink (size, size) float32."""
    return np.zeros((size, size), np.float32)


def lay(picture: np.ndarray, layer: np.ndarray, colour) -> None:
    """Cover the picture with a colour (3,) or picture of colours where the layer holds ink (opaque paint)."""
    picture += (np.asarray(colour, np.float32) - picture) * layer[..., None]


def glaze(picture: np.ndarray, layer: np.ndarray, colour) -> None:
    """Darken the picture through a transparent colour, as ink and watercolour do."""
    picture *= 1 - layer[..., None] * (1 - np.asarray(colour, np.float32) / 255)


def noise(rng: np.random.Generator, size: int, grain: float) -> np.ndarray:
    """Smooth noise (size, size) of unit deviation whose blobs are about `grain` pixels wide."""
    field: np.ndarray
    if grain <= 1.5:
        field = blur(rng.standard_normal((size, size), np.float32), grain)
    else:
        cells = max(4, int(size / grain) + 3)
        field = cv2.resize(rng.standard_normal((cells, cells), np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return field / (field.std() + 1e-6)


def warp(image: np.ndarray, shift_x: np.ndarray, shift_y: np.ndarray) -> np.ndarray:
    """The image read at places moved by the shifts (H, W), pixels."""
    y, x = np.indices(image.shape[:2], np.float32)
    return cv2.remap(image, x + shift_x, y + shift_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; nothing for a tiny sigma."""
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.2 else image


def polygon(size: int, points: np.ndarray) -> np.ndarray:
    """The inside of a polygon (N, 2) px as a layer with soft edges."""
    fine = np.zeros((3 * size, 3 * size), np.uint8)
    cv2.fillPoly(fine, [np.round((3 * points - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    return cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def soft(mask: np.ndarray, sigma: float = 0.6) -> np.ndarray:
    """A mask as a layer with soft edges."""
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)


def rough(layer: np.ndarray, tooth: np.ndarray, bite: float) -> np.ndarray:
    """Dry ink on paper with a tooth (noise of unit size): thin ink stays on the grain's hills; bite 0..1 is how rough."""
    return np.clip(layer * (1 + bite) - bite * np.clip(0.45 + 0.35 * tooth, 0, 1.2), 0, 1) * (layer > 0)


def picture_of(image: np.ndarray) -> np.ndarray:
    """The finished picture as (H, W, 3) uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
