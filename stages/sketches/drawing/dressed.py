"""The figure with its clothes on, as buffers: what each pixel shows."""

from dataclasses import dataclass

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing.anatomy import Footing, Head, footing_of
from stages.sketches.drawing.wardrobe import Look

NOTHING, SKIN, TOP, BOTTOM, SHOES, HAIR, HAT, STRIPE = range(8)
FAR = 1e6  # metres: the depth given to the background, beyond any camera


@dataclass(frozen=True)
class Dressed:
    """region, piece (H, W) uint8: what each pixel shows, in the codes above and those of lines.py.

    depth (H, W) metres, the background at FAR; normal (H, W, 3) in the camera frame.
    """

    region: np.ndarray
    piece: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    look: Look
    head: Head
    body: Figure

    @property
    def size(self) -> int:
        """Side of the picture in pixels."""
        return len(self.region)

    @property
    def mask(self) -> np.ndarray:
        """Pixels (H, W) bool of the dressed figure."""
        return self.region > 0

    @property
    def footing(self) -> Footing:
        """Where the figure meets the floor."""
        return footing_of(self.mask)

    @property
    def palette(self) -> np.ndarray:
        """Colour (8, 3) of each region; the background's is white. STRIPE is the pattern of the top, or what shows under a coat."""
        look = self.look
        dark = look.top.array.mean() < 130
        stripe = look.shirt.array if look.outfit == "coat" else 255 - 0.5 * (255 - look.top.array) if dark else look.top.array * 0.55
        paints = [p.array for p in (look.skin, look.top, look.bottom, look.shoes, look.hair, look.hat_paint)]
        return np.stack([np.full(3, 255, np.float32), *paints, stripe.astype(np.float32)])
