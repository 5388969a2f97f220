"""A dressed figure's buffers at the size of the picture."""

from dataclasses import replace

import cv2
import numpy as np

from stages.sketches.drawing.colour import blur, fitted
from stages.sketches.drawing.dressed import Dressed


def enlarged(figure: Dressed, size: int) -> Dressed:
    """The figure with every buffer at `size` pixels a side; itself where it has that size. Head and joints stay in units."""
    if figure.size == size:
        return figure
    normal = fitted(figure.normal, size)
    return replace(
        figure, region=_codes(figure.region, size), piece=_codes(figure.piece, size),
        depth=cv2.resize(figure.depth, (size, size), interpolation=cv2.INTER_NEAREST), normal=normal,
    )  # fmt: skip


def _codes(codes: np.ndarray, size: int) -> np.ndarray:
    """Codes (H, W) at another size, each border smooth: a pixel takes the code that most of its surroundings have."""
    best, out = np.full((size, size), -1, np.float32), np.zeros((size, size), codes.dtype)
    for code in np.unique(codes):
        share = fitted(blur((codes == code).astype(np.float32), 0.7), size)
        won = share > best
        best[won], out[won] = share[won], code
    return out
