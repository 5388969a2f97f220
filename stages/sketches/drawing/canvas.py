"""The sheet that a figure is drawn on: its pixels, and everything laid on it in order, from which the SVG is written."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from stages.sketches.drawing.layer import UNITS, Fill, Layer, Shape

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Mark:
    """A stroke or an area with its colour (RGB 0..255) and opacity 0..1."""

    shape: Shape
    colour: RGB
    opacity: float


@dataclass
class Canvas:
    """picture (size, size, 3) float32, RGB 0..255; marks: what was laid on it, in order; paper: the sheet's mean colour."""

    picture: np.ndarray
    marks: list[Mark] = field(default_factory=list)
    paper: RGB = (255, 255, 255)

    def __post_init__(self):
        self.paper = _rgb(self.picture.reshape(-1, 3).mean(0))

    @property
    def size(self) -> int:
        """Side in pixels."""
        return len(self.picture)

    def lay(self, layer: Layer | np.ndarray, colour) -> None:
        """Cover with a colour (3,) or a picture of colours where the layer holds ink (opaque paint)."""
        ink = self._recorded(layer, colour)
        self.picture += (np.asarray(colour, np.float32) - self.picture) * ink[..., None]

    def glaze(self, layer: Layer | np.ndarray, colour) -> None:
        """Darken through a transparent colour, as ink and watercolour do."""
        ink = self._recorded(layer, colour)
        self.picture *= 1 - ink[..., None] * (1 - np.asarray(colour, np.float32) / 255)

    def record(self, shape: Shape, colour, opacity: float = 1.0) -> None:
        """Note a mark that was put on the picture by other means."""
        self.marks.append(Mark(shape, _rgb(colour), opacity))

    def record_area(self, mask: np.ndarray, colour, opacity: float = 1.0) -> None:
        """Note an area (H, W) bool that was filled."""
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
        self.record(Fill([(o[:, 0] + 0.5) * UNITS / len(mask) for o in outlines if len(o) > 2]), colour, opacity)

    def _recorded(self, layer: Layer | np.ndarray, colour) -> np.ndarray:
        if isinstance(layer, np.ndarray):
            return layer
        shown = self.paper if np.ndim(colour) == 3 else colour
        for shape in layer.shapes:
            self.record(shape, shown)
        return layer.ink


def _rgb(colour) -> RGB:
    red, green, blue = (int(v) for v in np.clip(np.rint(np.asarray(colour, np.float64)), 0, 255))
    return red, green, blue
