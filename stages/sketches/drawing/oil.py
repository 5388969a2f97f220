"""Oil painting: an underpainting of light and shadow, then strokes of a bristle brush, coarse to fine, along the form."""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.sketches.drawing import lines
from stages.sketches.drawing.anatomy import Footing
from stages.sketches.drawing.brush import Dabs, lay_dabs, strokes_of
from stages.sketches.drawing.canvas import Canvas
from stages.sketches.drawing.colour import blur, noise, polygon, soft
from stages.sketches.drawing.dressed import Dressed
from stages.sketches.drawing.enlarged import enlarged
from stages.sketches.drawing.face import choose_features, draw_face
from stages.sketches.drawing.layer import UNITS, blank
from stages.sketches.drawing.palette import CLOTHS, pick, vary
from stages.sketches.drawing.pen import Pen, arc, draw_line

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


def paint(figure: Dressed, options: dict[str, str], rng: np.random.Generator, size: int) -> tuple[Canvas, str]:
    """The picture of a dressed figure and a phrase for it."""
    light, large = _LIGHTS[int(rng.integers(len(_LIGHTS)))], enlarged(figure, size)
    scene = _scene(figure, large, options["ground"], light, rng)
    canvas, relief = Canvas(blur(scene.ground, 6)), np.zeros((size, size), np.float32)
    canvas.lay(soft(large.mask), blur(scene.colours, 1))
    wide = rng.uniform(8, 13)
    for mask, share, cover in ((~figure.mask, 1.0, 1.6), (figure.mask, 0.55, 2.0), (figure.mask, 0.3, 1.5)):
        _layer(canvas, relief, scene, mask, share * wide, cover, rng)
    _details(canvas, figure, soft(large.piece == lines.HEAD, 0.5), options, rng)
    canvas.picture = _varnish(canvas.picture, relief, rng)
    return canvas, figure.look.words(coloured=True)


def _layer(canvas: Canvas, relief: np.ndarray, scene: Scene, mask: np.ndarray, wide: float, cover: float, rng: np.random.Generator) -> None:
    """Strokes of about one width all over the mask (256, 256) bool, so many that they cover it `cover` times."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return
    spots = rng.integers(0, len(rows), max(8, int(cover * len(rows) / (2.2 * wide * wide))))
    count = len(spots)
    place = np.stack([columns[spots], rows[spots]], 1) + rng.random((count, 2))
    x, y = (place * canvas.size / UNITS).astype(int).T
    loose = rng.random(count) < 0.06
    dabs = Dabs(
        place=place,
        angle=scene.way[y, x] + rng.normal(0, 0.22, count),
        length=wide * rng.uniform(1.8, 3.6, count),
        width=wide * rng.uniform(0.75, 1.25, count),
        bend=rng.normal(0, 0.12, count),
        colour=scene.colours[y, x] * np.exp(rng.normal(0, 0.05, (count, 1))) + rng.normal(0, 5, (count, 3)),
        area=np.where(loose & (scene.area[y, x] < 3), 255, scene.area[y, x]).astype(np.uint8),
    )
    lay_dabs(canvas.picture, relief, scene.area, dabs, min(1.0, 0.1 + wide / 9), rng)
    for stroke, colour in zip(strokes_of(dabs), dabs.colour, strict=True):
        canvas.record(stroke, colour)


def _scene(drawn: Dressed, figure: Dressed, kind: str, light, rng: np.random.Generator) -> Scene:
    """The scene of the figure at the picture's size; drawn: the same in units."""
    colours, way, area = _background(figure.size, kind, drawn.footing, rng)
    side = np.array([rng.choice([-1, 1]) * rng.uniform(0.5, 0.9), -0.6, -0.5], np.float32)
    lit = blur(figure.normal, 2.6) @ (side / np.linalg.norm(side))
    glow = np.clip(0.5 + 0.75 * lit, 0, 1)[..., None]
    warm, cool = np.array(light, np.float32)
    painted = figure.palette[figure.region] * (glow * warm + (1 - glow) * cool) + 42 * np.clip(lit - 0.7, 0, 1)[..., None]
    mask = figure.mask
    _set_apart(colours, painted, mask)
    _cast_shadow(colours, drawn.footing, rng)
    ground = np.clip(colours, 0, 255)
    colours[mask], way[mask] = painted[mask], _along_form(figure)[mask]
    area[mask] = (3 + figure.piece.astype(int) * 8 + figure.region)[mask]
    return Scene(np.clip(colours, 0, 255).astype(np.float32), ground, way, area)


def _along_form(figure: Dressed) -> np.ndarray:
    """The way of strokes (H, W): across the slope of the surface, so along a limb; angles are doubled to be averaged."""
    nx, ny = figure.normal[..., 0], figure.normal[..., 1]
    two_x, two_y = (blur(a, 5) for a in (nx * nx - ny * ny, 2 * nx * ny))
    return np.arctan2(two_y, two_x) / 2 + np.pi / 2


def _background(size: int, kind: str, footing: Footing, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours, stroke ways and areas of a room, a landscape, a studio's dusk or loose colour."""
    y, x = np.indices((size, size), np.float32) / size
    far, near = _ground_colours(kind, rng)
    horizon = np.clip(footing.low / UNITS - rng.uniform(0.04, 0.25), 0.3, 0.95)
    edge = horizon + 0.012 * noise(rng, size, 43) * (kind == "land")
    floor = (y > edge).astype(np.float32) * (kind in ("room", "land"))
    steep = rng.uniform(0.3, 0.8) * (2.2 if kind == "dusk" else 1)
    fade = np.clip(1.1 - steep * ((x - rng.uniform(0.3, 0.7)) ** 2 + (y - 0.4) ** 2), 0.25, 1.1)
    cloud = noise(rng, size, 64) * 9 + noise(rng, size, 26) * 6
    colours = (far + (near - far) * floor[..., None]) * fade[..., None] + cloud[..., None]
    if kind == "loose":
        colours += (near - far) * soft(noise(rng, size, 85) > 0.3, 4)[..., None]
    way = rng.uniform(-0.8, 0.8) + 0.6 * noise(rng, size, 85)
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
    centre = np.array([footing.middle + rng.uniform(-13, 13), footing.low])
    spot = polygon(len(colours), centre + arc(np.zeros(2), 1) * [footing.half + 13, 7.7])
    colours *= 1 - 0.45 * blur(spot.ink, 2.8)[..., None]


def _details(canvas: Canvas, figure: Dressed, bare: np.ndarray, options: dict[str, str], rng: np.random.Generator) -> None:
    """Edges found again with a dark thin brush, and a face in a few touches where the head is not covered: bare (size, size)."""
    layer, umber = blank(canvas.size), np.array([58, 40, 34], np.float32)
    if options["contour"] == "found":
        pen = Pen(rng.uniform(0.8, 1.8), 0.6, 0.3, 0.2, 0.4, rng.uniform(0.4, 0.8), 0.2)
        for line in lines.trace(figure, 6):
            if line.edge and len(line.points) > 10:
                draw_line(layer, line.points, pen, rng)
    if options["face"] == "touches":
        marks = blank(canvas.size)
        draw_face(marks, figure.head, choose_features(rng), Pen(max(1.0, 0.15 * figure.head.radius), 0.5, 0.3, 0.4, 0.2, 0.85), rng)
        layer.merge(marks.within(bare))
    canvas.lay(layer, umber)


def _varnish(picture: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light rakes over the ridges of the paint and the weave of the canvas."""
    size = len(relief)
    picture, ridge = blur(picture, 0.5), blur(relief, 0.6)
    slope = (cv2.Sobel(ridge, cv2.CV_32F, 1, 0, ksize=3) + cv2.Sobel(ridge, cv2.CV_32F, 0, 1, ksize=3)) * size / UNITS
    thread = np.sin(np.linspace(0, UNITS, size, endpoint=False, dtype=np.float32) * np.pi / 1.3)
    weave = 0.006 * (thread[:, None] + thread[None]) + 0.01 * noise(rng, size, 0.5)
    return picture * (1 - np.clip(0.1 * slope, -0.22, 0.22) + weave)[..., None]
