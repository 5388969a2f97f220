"""Ink painting: a brush that swells and runs dry, washes that pool at their rim, rice paper, few strokes."""

from itertools import pairwise

import cv2
import numpy as np

from stages.sketches.drawing import lines, paper
from stages.sketches.drawing.colour import blank, blur, glaze, noise, rough, soft, warp
from stages.sketches.drawing.dressed import HAIR, HAT, SHOES, SKIN, Dressed
from stages.sketches.drawing.face import choose_features, draw_face
from stages.sketches.drawing.pen import Pen, draw_dot, draw_line, smooth

_ACCENTS = ((60, 84, 128), (176, 62, 44), (92, 112, 70), (150, 110, 60), (110, 84, 120))


def paint(figure: Dressed, rng: np.random.Generator) -> np.ndarray:
    """The picture (size, size, 3) float32 of a dressed figure."""
    size, unit = figure.size, figure.size / 256
    picture = paper.fibres(rng, size)
    ink = np.array([34, 32, 36], np.float32) + rng.uniform(-6, 14, 3)
    _ground(picture, figure, ink, rng)
    _washes(picture, figure, ink, rng)
    layer, loaded = blank(size), rng.uniform(2.0, 5.0) * unit
    for line in lines.trace(figure.piece, figure.region, figure.depth, round(9 * unit)):
        _brush(layer, line, loaded, unit, rng)
    if rng.random() < 0.75:
        marks = blank(size)
        draw_face(marks, figure.head, choose_features(rng), Pen(max(0.9, 0.1 * figure.head.radius), 0.5, 0.4, 0.3, 0.1), rng)
        layer = np.maximum(layer, marks * soft(figure.piece == lines.HEAD, 0.5))
    glaze(picture, rough(layer, noise(rng, size, 0.7 * unit), 0.25), ink)
    if rng.random() < 0.4:
        _seal(picture, figure, rng)
    return picture


def _brush(layer: np.ndarray, line: lines.Line, loaded: float, unit: float, rng: np.random.Generator) -> None:
    """One loaded stroke for each long line, lifted and set down again now and then; short ones are left to the eye."""
    points = line.points
    if len(points) < (9 if line.edge else 16) * unit:
        return
    wide = loaded * rng.uniform(0.6, 1.3) if line.edge else 0.45 * loaded
    pen = Pen(wide, swell=0.55, taper=0.4, tip=0.12, wobble=0.5 * unit, pressure=rng.uniform(0.75, 1), skips=0.05)
    for part in _lifts(points, 75 * unit, rng):
        draw_line(layer, part, pen, rng)


def _lifts(points: np.ndarray, longest: float, rng: np.random.Generator) -> list[np.ndarray]:
    """A long line as strokes of about `longest` points, with small gaps between."""
    count = max(1, round(len(points) / longest))
    cuts = np.linspace(0, len(points), count + 1).astype(int)
    cuts[1:-1] += rng.integers(-8, 9, count - 1)
    return [smooth(points[max(0, a) : b + int(rng.integers(-3, 3))], 3) for a, b in pairwise(cuts) if b - a > 4]


def _washes(picture: np.ndarray, figure: Dressed, ink: np.ndarray, rng: np.random.Generator) -> None:
    """A tone for each garment: dark for hair, grey or one colour for cloth, almost none for skin."""
    size = figure.size
    accent = np.array(_ACCENTS[int(rng.integers(len(_ACCENTS)))], np.float32)
    tinted = rng.random() < 0.45
    shift = noise(rng, size, size / 18) * size / 130, noise(rng, size, size / 18) * size / 130
    for region in np.unique(figure.region[figure.mask]):
        tone = {SKIN: rng.uniform(0, 0.12), HAIR: rng.uniform(0.55, 0.9), HAT: 0.6, SHOES: 0.65}.get(int(region), rng.uniform(0.06, 0.6))
        colour = accent if tinted and region not in (SKIN, HAIR) else ink
        glaze(picture, _wash(figure, figure.region == region, rng, shift) * tone, colour)


def _wash(figure: Dressed, mask: np.ndarray, rng: np.random.Generator, shift: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A wet area: its rim wanders and dries darker, its inside is uneven and fades towards the light."""
    size = figure.size
    area = warp(soft(mask, size / 200), *shift)
    wet = np.clip((area - 0.3) * 3.5, 0, 1)
    rim = np.clip(wet - blur(wet, size / 70), 0, 1)
    lit = np.clip(0.5 + 0.5 * blur(figure.normal, size / 60) @ np.array([-0.6, -0.6, -0.5], np.float32), 0, 1)
    body = (1 - 0.75 * lit) + 0.12 * noise(rng, size, size / 30) + 0.05 * noise(rng, size, 0.6)
    return np.clip(wet * np.clip(body, 0.12, 1) + 0.55 * rim, 0, 1)


def _ground(picture: np.ndarray, figure: Dressed, ink: np.ndarray, rng: np.random.Generator) -> None:
    """Sometimes a broad dry stroke under the feet, a sun or a hill far off."""
    size, kind = len(picture), rng.random()
    layer, footing = blank(size), figure.footing
    if kind < 0.4:
        left, right = rng.uniform(0.02, 0.25, 2) * size
        stroke = np.array([[footing.left - left, footing.low + 0.01 * size], [footing.right + right, footing.low + 0.005 * size]])
        draw_line(layer, stroke, Pen(0.02 * size, 0.6, 0.3, 0.2, 0.006 * size, 0.6), rng)
        glaze(picture, rough(layer, noise(rng, size, 0.8), 0.9) * 0.55, ink)
    elif kind < 0.55:
        spots = rng.uniform((0.12, 0.1), (0.88, 0.3), (8, 2)) * size
        farthest = spots[np.argmax(np.linalg.norm(spots - figure.head.place, axis=1))]
        draw_dot(layer, farthest, rng.uniform(0.05, 0.1) * size)
        glaze(picture, blur(layer, size / 130) * ~figure.mask * 0.7, (196, 70, 48))
    elif kind < 0.7:
        x = np.linspace(-0.05, 1.05, 40) * size
        hill = np.stack([x, (0.35 + 0.09 * np.sin(x / size * rng.uniform(3, 7) + rng.uniform(0, 6)) + 0.03 * rng.random()) * size], 1)
        draw_line(layer, hill, Pen(0.05 * size, 0.7, 0.1, 0.5, 0.01 * size), rng)
        glaze(picture, blur(layer, size / 30) * ~figure.mask * 0.3, ink)


def _seal(picture: np.ndarray, figure: Dressed, rng: np.random.Generator) -> None:
    """The painter's red seal, in the emptiest corner."""
    size, side = figure.size, int(figure.size * rng.uniform(0.05, 0.075))
    near, far = int(0.06 * size), int(0.92 * size) - side
    x, y = min([(near, far), (far, far), (far, near)], key=lambda s: figure.mask[s[1] : s[1] + side, s[0] : s[0] + side].sum())
    stamp = blank(size)
    stamp[y : y + side, x : x + side] = 1
    glyph = cv2.resize((rng.random((4, 4)) < 0.45).astype(np.float32), (side - 2, side - 2), interpolation=cv2.INTER_NEAREST)
    stamp[y + 1 : y + side - 1, x + 1 : x + side - 1] -= 0.85 * glyph
    glaze(picture, blur(stamp, 0.4) * 0.85, (188, 44, 34))
