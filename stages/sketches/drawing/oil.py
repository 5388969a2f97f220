"""Oil painting: an underpainting of light and shadow, then strokes of a bristle brush, coarse to fine, along the form."""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.sketches.drawing import lines
from stages.sketches.drawing.anatomy import Footing
from stages.sketches.drawing.brush import Dabs, lay_dabs
from stages.sketches.drawing.colour import blank, blur, lay, noise, soft
from stages.sketches.drawing.dressed import Dressed
from stages.sketches.drawing.face import choose_features, draw_face
from stages.sketches.drawing.palette import CLOTHS, pick, vary
from stages.sketches.drawing.pen import Pen, draw_line

# Warm light and cool shadow, or the reverse: factors on (R, G, B).
_LIGHTS = (((1.16, 1.06, 0.88), (0.52, 0.52, 0.68)), ((0.98, 1.04, 1.12), (0.62, 0.48, 0.44)), ((1.14, 1.1, 1.0), (0.42, 0.38, 0.42)))
_SKIES = ((168, 196, 220), (224, 196, 160), (196, 206, 210), (120, 146, 190))
_FIELDS = ((120, 138, 74), (176, 152, 84), (92, 116, 84), (150, 120, 90))

_LEAST_GAP = 38  # levels between the mean tone of the figure and of its ground


@dataclass(frozen=True)
class Scene:
    """What the brush copies: colours and ground, the same without the figure, (H, W, 3).

    way (H, W): the direction of strokes in radians; area (H, W) uint8: what strokes keep to.
    """

    colours: np.ndarray
    ground: np.ndarray
    way: np.ndarray
    area: np.ndarray


def paint(figure: Dressed, rng: np.random.Generator) -> np.ndarray:
    """The picture (size, size, 3) float32 of a dressed figure."""
    size, unit = figure.size, figure.size / 256
    light = _LIGHTS[int(rng.integers(len(_LIGHTS)))]
    scene = _scene(figure, light, rng)
    picture, relief = blur(scene.ground, 6 * unit), blank(size)
    lay(picture, soft(figure.mask, unit), blur(scene.colours, unit))
    wide = rng.uniform(8, 13) * unit
    _layer(picture, relief, scene, ~figure.mask, wide, 1.6, rng)
    _layer(picture, relief, scene, figure.mask, 0.55 * wide, 2.0, rng)
    _layer(picture, relief, scene, figure.mask, 0.3 * wide, 1.5, rng)
    _details(picture, figure, rng)
    return _varnish(picture, relief, rng)


def _layer(
    picture: np.ndarray, relief: np.ndarray, scene: Scene, mask: np.ndarray, wide: float, cover: float, rng: np.random.Generator
) -> None:
    """Strokes of about one width all over the mask (H, W) bool, so many that they cover it `cover` times."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return
    spots = rng.integers(0, len(rows), max(8, int(cover * len(rows) / (2.2 * wide * wide))))
    y, x = rows[spots], columns[spots]
    count = len(x)
    loose = rng.random(count) < 0.06
    dabs = Dabs(
        place=np.stack([x, y], 1) + rng.random((count, 2)),
        angle=scene.way[y, x] + rng.normal(0, 0.22, count),
        length=wide * rng.uniform(1.8, 3.6, count),
        width=wide * rng.uniform(0.75, 1.25, count),
        bend=rng.normal(0, 0.12, count),
        colour=scene.colours[y, x] * np.exp(rng.normal(0, 0.05, (count, 1))) + rng.normal(0, 5, (count, 3)),
        area=np.where(loose & (scene.area[y, x] < 3), 255, scene.area[y, x]).astype(np.uint8),
    )
    lay_dabs(picture, relief, scene.area, dabs, min(1.0, 0.1 + wide / (0.035 * len(relief))), rng)


def _scene(figure: Dressed, light, rng: np.random.Generator) -> Scene:
    size = figure.size
    colours, way, area = _background(size, figure.footing, rng)
    side = np.array([rng.choice([-1, 1]) * rng.uniform(0.5, 0.9), -0.6, -0.5], np.float32)
    lit = blur(figure.normal, size / 100) @ (side / np.linalg.norm(side))
    glow = np.clip(0.5 + 0.75 * lit, 0, 1)[..., None]
    warm, cool = np.array(light, np.float32)
    painted = figure.palette[figure.region] * (glow * warm + (1 - glow) * cool) + 42 * np.clip(lit - 0.7, 0, 1)[..., None]
    mask = figure.mask
    _set_apart(colours, painted, mask)
    _cast_shadow(colours, figure.footing, rng)
    ground = np.clip(colours, 0, 255)
    colours[mask], way[mask] = painted[mask], _along_form(figure)[mask]
    area[mask] = (3 + figure.piece.astype(int) * 8 + figure.region)[mask]
    return Scene(np.clip(colours, 0, 255).astype(np.float32), ground, way, area)


def _along_form(figure: Dressed) -> np.ndarray:
    """The way of strokes (H, W): across the slope of the surface, so along a limb; angles are doubled to be averaged."""
    nx, ny = figure.normal[..., 0], figure.normal[..., 1]
    two_x, two_y = (blur(a, figure.size / 50) for a in (nx * nx - ny * ny, 2 * nx * ny))
    return np.arctan2(two_y, two_x) / 2 + np.pi / 2


def _background(size: int, footing: Footing, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours, stroke ways and areas of a room, a landscape, a studio's dusk or loose colour."""
    kind = rng.choice(["room", "land", "dusk", "loose"], p=[0.32, 0.26, 0.2, 0.22])
    y, x = np.indices((size, size), np.float32) / size
    far, near = _ground_colours(str(kind), rng)
    horizon = np.clip(footing.low / size - rng.uniform(0.04, 0.25), 0.3, 0.95)
    edge = horizon + 0.012 * noise(rng, size, size / 6) * (kind == "land")
    floor = (y > edge).astype(np.float32) * (kind in ("room", "land"))
    steep = rng.uniform(0.3, 0.8) * (2.2 if kind == "dusk" else 1)
    fade = np.clip(1.1 - steep * ((x - rng.uniform(0.3, 0.7)) ** 2 + (y - 0.4) ** 2), 0.25, 1.1)
    cloud = noise(rng, size, size / 4) * 9 + noise(rng, size, size / 10) * 6
    colours = (far + (near - far) * floor[..., None]) * fade[..., None] + cloud[..., None]
    if kind == "loose":
        colours += (near - far) * soft(noise(rng, size, size / 3) > 0.3, size / 60)[..., None]
    way = rng.uniform(-0.8, 0.8) + 0.6 * noise(rng, size, size / 3)
    return colours.astype(np.float32), np.where(floor > 0, 0.15 * way, way).astype(np.float32), floor.astype(np.uint8)


def _ground_colours(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A colour for what is far and one for the floor, muted so that the figure stands out."""
    if kind == "land":
        sky, field = (np.array(colours[int(rng.integers(4))]) + rng.normal(0, 8, 3) for colours in (_SKIES, _FIELDS))
        return sky, field
    wall, floor = (vary(pick(rng, CLOTHS), rng, 0.08).array for _ in range(2))
    grey = np.full(3, 60.0 if kind == "dusk" else rng.uniform(110, 175), np.float32)
    keep = 0.3 if kind == "dusk" else rng.uniform(0.25, 0.6)
    return grey + keep * (wall - grey), grey + keep * (floor - grey)


def _set_apart(colours: np.ndarray, painted: np.ndarray, mask: np.ndarray) -> None:
    """Lighten or darken the ground, in place, where the figure would sink into it."""
    if not mask.any():
        return
    gap = float(colours.mean() - painted[mask].mean())
    if abs(gap) < _LEAST_GAP:
        colours += (1 if gap >= 0 else -1) * _LEAST_GAP - gap


def _cast_shadow(colours: np.ndarray, footing: Footing, rng: np.random.Generator) -> None:
    size = len(colours)
    layer = np.zeros((size, size), np.uint8)
    centre = (int(footing.middle + rng.uniform(-0.05, 0.05) * size), int(footing.low))
    cv2.ellipse(layer, centre, (int(footing.half + 0.05 * size), max(2, int(0.03 * size))), 0, 0, 360, 1, -1)
    colours *= 1 - 0.45 * soft(layer, size / 90)[..., None]


def _details(picture: np.ndarray, figure: Dressed, rng: np.random.Generator) -> None:
    """Edges found again with a dark thin brush, and a face in a few touches."""
    size, unit = figure.size, figure.size / 256
    layer, umber = blank(size), np.array([58, 40, 34], np.float32)
    if rng.random() < 0.65:
        pen = Pen(rng.uniform(0.8, 1.8) * unit, 0.6, 0.3, 0.2, 0.4 * unit, rng.uniform(0.4, 0.8), 0.2)
        for line in lines.trace(figure.piece, figure.region, figure.depth, round(6 * unit)):
            if line.edge and len(line.points) > 10 * unit:
                draw_line(layer, line.points, pen, rng)
    marks = blank(size)
    draw_face(marks, figure.head, choose_features(rng), Pen(max(1.0, 0.15 * figure.head.radius), 0.5, 0.3, 0.4, 0.2, 0.85), rng)
    lay(picture, np.maximum(layer, marks * soft(figure.piece == lines.HEAD, 0.5)), umber)


def _varnish(picture: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light rakes over the ridges of the paint and the weave of the canvas."""
    size = len(relief)
    picture, ridge = blur(picture, 0.5 * size / 256), blur(relief, 0.6 * size / 256)
    slope = cv2.Sobel(ridge, cv2.CV_32F, 1, 0, ksize=3) + cv2.Sobel(ridge, cv2.CV_32F, 0, 1, ksize=3)
    thread = np.sin(np.arange(size, dtype=np.float32) * np.pi / max(1.0, size / 256 * 1.3))
    weave = 0.006 * (thread[:, None] + thread[None]) + 0.01 * noise(rng, size, 0.5)
    return picture * (1 - np.clip(0.1 * slope, -0.22, 0.22) + weave)[..., None]
