"""A layer of ink: what strokes leave on the sheet, and the strokes themselves.

All measures of the renderer are in units of 1/256 of the picture's side, so a picture of any size is the same drawing.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numba import njit

UNITS = 256


@dataclass(frozen=True)
class Stroke:
    """One mark of a pen: points (N, 2) from the top-left corner, radii (N,), both in units; ink (N,) 0..1."""

    points: np.ndarray
    radii: np.ndarray
    ink: np.ndarray


@dataclass(frozen=True)
class Fill:
    """An area: closed outlines [(N, 2)] in units, holes among them."""

    outlines: list[np.ndarray]


Shape = Stroke | Fill


@dataclass
class Layer:
    """ink (size, size) float32 in 0..1, and the shapes that made it, in order."""

    ink: np.ndarray
    shapes: list[Shape] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Side in pixels."""
        return len(self.ink)

    def stamp(self, points: np.ndarray, radii: np.ndarray, ink: np.ndarray) -> None:
        """Round-ended segments along (N, 2) with radius (N,), in units, and ink (N,); the darkest wins where they overlap."""
        stroke = Stroke(np.ascontiguousarray(points, np.float64), radii.astype(np.float64), ink.astype(np.float64))
        self.shapes.append(stroke)
        scale = self.size / UNITS
        _stamp(self.ink, stroke.points * scale, stroke.radii * scale, stroke.ink)

    def merge(self, other: "Layer") -> None:
        """Take over another layer's ink and shapes; the darker wins."""
        np.maximum(self.ink, other.ink, out=self.ink)
        self.shapes += other.shapes

    def __mul__(self, strength: float) -> "Layer":
        """The layer, fainter."""
        return self.with_ink(self.ink * strength)

    def with_ink(self, ink: np.ndarray) -> "Layer":
        """The same shapes with other ink: grained, blurred, thinned."""
        return Layer(ink.astype(np.float32, copy=False), self.shapes)

    def within(self, mask: np.ndarray) -> "Layer":
        """The layer where the mask (size, size) 0..1 lets it through; strokes lose what lies outside."""
        return Layer(self.ink * mask, [_cut(shape, mask) for shape in self.shapes])


def blank(size: int) -> Layer:
    """An empty layer of a picture of so many pixels a side."""
    return Layer(np.zeros((size, size), np.float32))


def _cut(shape: Shape, mask: np.ndarray) -> Shape:
    if isinstance(shape, Fill):
        return shape
    cell = np.clip((shape.points * len(mask) / UNITS).astype(int), 0, len(mask) - 1)
    return replace(shape, ink=shape.ink * (mask[cell[:, 1], cell[:, 0]] > 0.5))


@njit(cache=True)
def _stamp(layer, line, radii, ink):
    height, width = layer.shape
    for i in range(len(line) - 1):
        if ink[i] <= 0 and ink[i + 1] <= 0:
            continue
        ax, ay = line[i]
        dx, dy = line[i + 1, 0] - ax, line[i + 1, 1] - ay
        length2 = dx * dx + dy * dy + 1e-12
        reach = max(radii[i], radii[i + 1]) + 1
        x0, x1 = max(0, int(min(ax, ax + dx) - reach)), min(width - 1, int(max(ax, ax + dx) + reach))
        y0, y1 = max(0, int(min(ay, ay + dy) - reach)), min(height - 1, int(max(ay, ay + dy) + reach))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                px, py = x + 0.5 - ax, y + 0.5 - ay
                t = min(1.0, max(0.0, (px * dx + py * dy) / length2))
                away = np.sqrt((px - t * dx) ** 2 + (py - t * dy) ** 2)
                radius = radii[i] + t * (radii[i + 1] - radii[i])
                # A line thinner than a pixel is a fainter line of one pixel.
                cover = min(1.0, 2 * radius) * min(1.0, max(0.0, max(radius, 0.5) - away + 0.5))
                value = cover * (ink[i] + t * (ink[i + 1] - ink[i]))
                if value > layer[y, x]:
                    layer[y, x] = value
