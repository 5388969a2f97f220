"""Ink painting: a brush that swells and runs dry, washes that pool at their rim, rice paper, few strokes."""

from itertools import pairwise

import cv2
import numpy as np

from stages.sketches.drawing import lines, paper
from stages.sketches.drawing.canvas import Canvas
from stages.sketches.drawing.colour import blur, noise, rough, soft, warp
from stages.sketches.drawing.dressed import HAIR, HAT, SHOES, SKIN, Dressed
from stages.sketches.drawing.enlarged import enlarged
from stages.sketches.drawing.face import choose_features, draw_face
from stages.sketches.drawing.layer import UNITS, Layer, blank
from stages.sketches.drawing.pen import Pen, draw_dot, draw_line, smooth

_ACCENTS = ((60, 84, 128), (176, 62, 44), (92, 112, 70), (150, 110, 60), (110, 84, 120))
_DEEP = {HAIR: (0.55, 0.9), SKIN: (0.0, 0.12), HAT: (0.6, 0.6), SHOES: (0.65, 0.65)}


def paint(figure: Dressed, options: dict[str, str], rng: np.random.Generator, size: int) -> tuple[Canvas, str]:
    """The picture of a dressed figure and a phrase for it."""
    canvas, large = Canvas(paper.fibres(rng, size)), enlarged(figure, size)
    ink = np.array([34, 32, 36], np.float32) + rng.uniform(-6, 14, 3)
    _ground(canvas, figure, large.mask, options["ground"], ink, rng)
    _washes(canvas, large, np.unique(figure.region[figure.mask]), options["wash"], ink, rng)
    layer, loaded = blank(size), rng.uniform(2.0, 5.0)
    for line in lines.trace(figure, 9):
        _brush(layer, line, loaded, rng)
    if options["face"] == "marks":
        marks = blank(size)
        draw_face(marks, figure.head, choose_features(rng), Pen(max(0.9, 0.1 * figure.head.radius), 0.5, 0.4, 0.3, 0.1), rng)
        layer.merge(marks.within(soft(large.piece == lines.HEAD, 0.5)))
    canvas.glaze(rough(layer, noise(rng, size, 0.7), 0.25), ink)
    if options["seal"] == "red":
        _seal(canvas, figure, rng)
    return canvas, figure.look.words(coloured=False)


def _brush(layer: Layer, line: lines.Line, loaded: float, rng: np.random.Generator) -> None:
    """One loaded stroke for each long line, lifted and set down again now and then; fine ones for what is small."""
    if len(line.points) < (9 if line.edge else 16):
        return
    wide = loaded * rng.uniform(0.6, 1.3) if line.edge else 0.45 * loaded
    wide *= np.clip(np.ptp(line.points, axis=0).max() / 40, 0.3, 1)
    pen = Pen(wide, swell=0.55, taper=0.4, tip=0.12, wobble=0.5, pressure=rng.uniform(0.75, 1), skips=0.05)
    for part in _lifts(line.points, 75, rng):
        draw_line(layer, part, pen, rng)


def _lifts(points: np.ndarray, longest: float, rng: np.random.Generator) -> list[np.ndarray]:
    """A long line as strokes of about `longest` points, with small gaps between."""
    count = max(1, round(len(points) / longest))
    cuts = np.linspace(0, len(points), count + 1).astype(int)
    cuts[1:-1] += rng.integers(-8, 9, count - 1)
    return [smooth(points[max(0, a) : b + int(rng.integers(-3, 3))], 3) for a, b in pairwise(cuts) if b - a > 4]


def _washes(canvas: Canvas, figure: Dressed, regions: np.ndarray, kind: str, ink: np.ndarray, rng: np.random.Generator) -> None:
    """A tone for each of the regions: dark for hair, grey or one colour for cloth, almost none for skin; dry: hair and shoes alone."""
    size = canvas.size
    accent = np.array(_ACCENTS[int(rng.integers(len(_ACCENTS)))], np.float32)
    shift = noise(rng, size, 14) * 2, noise(rng, size, 14) * 2
    for region in regions:
        tone = rng.uniform(*_DEEP.get(int(region), (0.06, 0.6)))
        if kind == "dry" and region not in (HAIR, HAT, SHOES):
            continue
        colour = accent if kind == "tinted" and region not in (SKIN, HAIR) else ink
        canvas.glaze(_wash(figure, figure.region == region, rng, shift) * tone, colour)
        canvas.record_area(figure.region == region, colour, 0.4 * tone)


def _wash(figure: Dressed, mask: np.ndarray, rng: np.random.Generator, shift: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A wet area: its rim wanders and dries darker, its inside is uneven and fades towards the light."""
    size = figure.size
    area = warp(soft(mask, 1.3), *shift)
    wet = np.clip((area - 0.3) * 3.5, 0, 1)
    rim = np.clip(wet - blur(wet, 3.7), 0, 1)
    lit = np.clip(0.5 + 0.5 * blur(figure.normal, 4.3) @ np.array([-0.6, -0.6, -0.5], np.float32), 0, 1)
    body = (1 - 0.75 * lit) + 0.12 * noise(rng, size, 8.5) + 0.05 * noise(rng, size, 0.6)
    return np.clip(wet * np.clip(body, 0.12, 1) + 0.55 * rim, 0, 1)


def _ground(canvas: Canvas, figure: Dressed, mask: np.ndarray, kind: str, ink: np.ndarray, rng: np.random.Generator) -> None:
    """Sometimes a broad dry stroke under the feet, a sun or a hill far off, behind the mask (size, size) of the figure."""
    layer, footing = blank(canvas.size), figure.footing
    if kind == "stroke":
        left, right = rng.uniform(5, 64, 2)
        stroke = np.array([[footing.left - left, footing.low + 2.5], [footing.right + right, footing.low + 1.3]])
        draw_line(layer, stroke, Pen(5, 0.6, 0.3, 0.2, 1.5, 0.6), rng)
        canvas.glaze(rough(layer, noise(rng, canvas.size, 0.8), 0.9, 0.55), ink)
    elif kind == "sun":
        spots = rng.uniform((0.12, 0.1), (0.88, 0.3), (8, 2)) * UNITS
        farthest = spots[np.argmax(np.linalg.norm(spots - figure.head.place, axis=1))]
        draw_dot(layer, farthest, rng.uniform(0.05, 0.1) * UNITS)
        canvas.glaze(layer.with_ink(blur(layer.ink, 2) * ~mask * 0.7), (196, 70, 48))
    elif kind == "hill":
        x = np.linspace(-0.05, 1.05, 40)
        hill = np.stack([x, 0.35 + 0.09 * np.sin(x * rng.uniform(3, 7) + rng.uniform(0, 6)) + 0.03 * rng.random()], 1) * UNITS
        draw_line(layer, hill, Pen(13, 0.7, 0.1, 0.5, 2.5), rng)
        canvas.glaze(blur(layer.ink, 8.5) * ~mask * 0.3, ink)


def _seal(canvas: Canvas, figure: Dressed, rng: np.random.Generator) -> None:
    """The painter's red seal, in the emptiest corner."""
    side, near = int(rng.integers(13, 20)), 15
    far = 235 - side
    x, y = min([(near, far), (far, far), (far, near)], key=lambda s: figure.mask[s[1] : s[1] + side, s[0] : s[0] + side].sum())
    stamp = np.zeros((UNITS, UNITS), np.float32)
    stamp[y : y + side, x : x + side] = 1
    glyph = cv2.resize((rng.random((4, 4)) < 0.45).astype(np.float32), (side - 2, side - 2), interpolation=cv2.INTER_NEAREST)
    stamp[y + 1 : y + side - 1, x + 1 : x + side - 1] -= 0.85 * glyph
    canvas.record_area(stamp > 0.5, (188, 44, 34), 0.85)
    canvas.glaze(cv2.resize(blur(stamp, 0.4), (canvas.size, canvas.size)) * 0.85, (188, 44, 34))
