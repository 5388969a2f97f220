"""What pictures are compared by: a perceptual hash that finds candidates, and a thumbnail that settles it."""

import cv2
import numpy as np

SIDE = 16  # of a thumbnail
_SEEN, _KEPT = 32, 8  # side of the picture that is transformed, and of the lowest frequencies that make the hash


def fingerprint(image: np.ndarray) -> tuple[int, np.ndarray]:
    """(64-bit hash, thumbnail (16, 16) uint8 about 128) of an RGB picture (H, W, 3) uint8 of any size."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SEEN, _SEEN), interpolation=cv2.INTER_AREA).astype(np.float32)
    thumbnail = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return _hash(small), np.clip(np.round(thumbnail - thumbnail.mean() + 128), 0, 255).astype(np.uint8)


def _hash(small: np.ndarray) -> int:
    """A bit for each of the lowest frequencies: is it above their median? The mean, which says nothing, has the first."""
    waves = cv2.dct(small)[:_KEPT, :_KEPT].ravel()
    waves[0] = -np.inf
    return int(np.packbits(waves > np.median(waves[1:])).view(">u8")[0])
