"""How far pictures are from one another: diversity of one pose's drawings, and the nearest drawing that was learnt from."""

import cv2
import numpy as np

from stages.sketches.generator.library import Library

_SIDE = 32  # what is left of a picture: where its masses and colours lie, no lines


def gist(picture: np.ndarray) -> np.ndarray:
    """The coarse look of a picture (H, W, 3) uint8 as (3072,) float32 in 0..1."""
    return cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel() / 255


def diversity(turns: list[list[np.ndarray]]) -> float:
    """Mean distance of two drawings of one pose, over all pairs of turns and all poses; turns: the same poses, drawn again."""
    gists = np.stack([[gist(picture) for picture in pictures] for pictures in turns])
    pairs = [(a, b) for a in range(len(gists)) for b in range(a)]
    return float(np.mean([_apart(gists[a], gists[b]).mean() for a, b in pairs]))


class Learnt:
    """The drawings of a training library, to look for copies."""

    def __init__(self, library: Library):
        self.gists = np.stack([gist(library.picture(i)) for i in range(len(library))])

    def nearest(self, pictures: list[np.ndarray]) -> np.ndarray:
        """Distances (N,) of pictures to the most similar drawing learnt from."""
        gists = np.stack([gist(picture) for picture in pictures])
        squares = (gists**2).sum(1)[:, None] - 2 * gists @ self.gists.T + (self.gists**2).sum(1)
        return np.sqrt(squares.min(1).clip(0) / gists.shape[1])


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Root of the mean squared difference of gists (N, 3072)."""
    return np.sqrt(((a - b) ** 2).mean(-1))
