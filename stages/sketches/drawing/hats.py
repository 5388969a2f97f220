"""Hats, as rings around the skull."""

import numpy as np

from stages.sketches.drawing import lines
from stages.sketches.drawing.anatomy import HEAD, NECK, Head
from stages.sketches.drawing.cloth import Strip
from stages.sketches.drawing.dressed import HAT

# Rings from the rim to the top: height over the skull's centre and radius, both in skull radii.
_RINGS = {
    "beanie": np.array([(0.26, 1.06), (0.28, 1.13), (0.5, 1.12), (0.75, 0.95), (0.98, 0.68), (1.14, 0.36), (1.2, 0.02)]),
    "brim": np.array([(0.14, 1.5), (0.38, 1.06), (0.75, 1.0), (1.1, 0.9), (1.22, 0.7), (1.22, 0.02)]),
}
_TILT = 0.2  # how much higher the rim lies on the brow than on the nape, in skull radii for each radius


def hat(head: Head, kind: str) -> Strip:
    """The hat of this kind on the head."""
    rise, wide = _RINGS[kind].T[..., None]
    left, up, front = (axis * radius for axis, radius in zip((head.left, head.up, head.front), head.radii, strict=True))
    return Strip(head.centre + rise * up, wide * left, wide * (front + _TILT * up), HAT, lines.HAT, (HEAD, NECK), 0.04, 0.0)
