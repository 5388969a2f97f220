"""Charcoal: lines searched for again and again, hatching, smudged shade, the tooth of the paper."""

import numpy as np

from stages.sketches.drawing import lines, paper
from stages.sketches.drawing.anatomy import Footing
from stages.sketches.drawing.colour import blank, blur, glaze, lay, noise, rough, soft
from stages.sketches.drawing.dressed import HAIR, HAT, SHOES, SKIN, TOP, Dressed
from stages.sketches.drawing.face import choose_features, draw_face
from stages.sketches.drawing.hatching import hatch
from stages.sketches.drawing.pen import Pen, draw_line, resample

_SHEETS = ((247, 245, 240), (238, 233, 222), (226, 222, 214), (205, 190, 165), (196, 178, 146), (190, 192, 194))


def paint(figure: Dressed, rng: np.random.Generator) -> np.ndarray:
    """The picture (size, size, 3) float32 of a dressed figure."""
    size, unit = figure.size, figure.size / 256
    sheet = _SHEETS[int(rng.integers(len(_SHEETS)))]
    picture, tooth = paper.plain(rng, size, sheet, 2.5, 1.2), _tooth(rng, size)
    black = np.array((38, 35, 34) if rng.random() < 0.8 else (104, 52, 34), np.float32)
    dark = _darkness(figure, rng)
    smudge = blur(dark, 4 * unit) * rng.uniform(0.3, 0.7)
    glaze(picture, np.clip(smudge * (1 + 0.12 * noise(rng, size, 5 * unit)) + 0.15 * rough(smudge, tooth, 0.6), 0, 1), black)
    strokes = _outline(figure, rng)
    if rng.random() < 0.8:
        np.maximum(strokes, _hatch(dark, figure, rng), out=strokes)
    np.maximum(strokes, _floor(figure.footing, size, rng), out=strokes)
    _mark_face(strokes, figure, rng)
    glaze(picture, rough(strokes, tooth, rng.uniform(0.5, 0.85) * min(1.0, unit**0.5)) * 0.95, black)
    if sum(sheet) < 640:
        _chalk(picture, figure, tooth)
    return picture


def _tooth(rng: np.random.Generator, size: int) -> np.ndarray:
    return 0.75 * noise(rng, size, 0.7 * size / 256) + 0.65 * noise(rng, size, 0.4)


def _darkness(figure: Dressed, rng: np.random.Generator) -> np.ndarray:
    """How dark (H, W) each place is: its own tone and the shadow on it."""
    light = np.array([rng.choice([-1, 1]) * rng.uniform(0.4, 0.9), -0.6, -0.4], np.float32)
    shadow = np.clip(0.55 - 0.9 * blur(figure.normal, figure.size / 90) @ (light / np.linalg.norm(light)), 0, 1) * figure.mask
    tone = np.full(8, rng.uniform(0, 0.5), np.float32)
    tone[[0, SKIN, HAIR, HAT, SHOES]] = 0, 0, rng.uniform(0.5, 1), 0.7, rng.uniform(0.3, 0.9)
    tone[TOP] = rng.uniform(0, 0.5)
    return np.clip(0.75 * shadow + tone[figure.region], 0, 1)


def _outline(figure: Dressed, rng: np.random.Generator) -> np.ndarray:
    """Every line two or three times, in short straightish pieces that overshoot."""
    size, unit = figure.size, figure.size / 256
    layer = blank(size)
    weight, passes, astray = rng.uniform(1.0, 2.6) * unit, int(rng.integers(2, 5)), rng.uniform(0.7, 1.5) * unit
    for line in lines.trace(figure.piece, figure.region, figure.depth, round(5 * unit)):
        if len(line.points) < 7 * unit:
            continue
        for k in range(passes if line.edge else 1):
            firm = (1.0 if k == 0 else rng.uniform(0.3, 0.65)) * (1 if line.edge else 0.8)
            pen = Pen(weight * rng.uniform(0.7, 1.5), 0.5, 0.3, 0.3, 0.35 * unit, firm, 0.08)
            _search(layer, line.points + rng.normal(0, 0.3 * unit if k == 0 else astray, 2), pen, unit, rng)
    return layer


def _search(layer: np.ndarray, points: np.ndarray, pen: Pen, unit: float, rng: np.random.Generator) -> None:
    start = 0
    while start < len(points) - 4:
        stop = start + int(rng.uniform(20, 60) * unit)
        piece = points[start:stop]
        if len(piece) > 4:
            way = (piece[-1] - piece[-4]) / 3
            draw_line(layer, np.concatenate([piece, [piece[-1] + way * rng.uniform(0, 5) * unit]]), pen, rng)
        start = stop - int(rng.uniform(2, 9) * unit)


def _hatch(dark: np.ndarray, figure: Dressed, rng: np.random.Generator) -> np.ndarray:
    """Parallel strokes across the dark places, of one hand and direction; a second set crosses the darkest."""
    size, unit = figure.size, figure.size / 256
    layer, angle = blank(size), rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)
    gap = rng.uniform(2.8, 4.6) * unit
    soft_dark = blur(dark, 2 * unit)
    for turn, level in ((0.0, 0.42), (0.7, 0.75)):
        pen = Pen(rng.uniform(0.8, 1.5) * unit, 0.4, 0.4, 0.3, 0.5 * unit, rng.uniform(0.5, 0.85))
        hatch(layer, soft_dark > level, angle + turn, gap, pen, rng)
    return layer


def _floor(footing: Footing, size: int, rng: np.random.Generator) -> np.ndarray:
    """A scribbled shadow under the feet, often."""
    layer = blank(size)
    if rng.random() < 0.65:
        half = footing.half + rng.uniform(0.03, 0.18) * size
        count = int(rng.integers(6, 16))
        swing = half * np.where(np.arange(count) % 2, 1, -1) * rng.uniform(0.6, 1, count)
        zigzag = np.stack([footing.middle + swing, footing.low + np.linspace(0, 0.03 * size, count)], 1)
        draw_line(layer, resample(zigzag, 3), Pen(size / 150, 0.5, 0.1, 0.3, size / 250, 0.6), rng)
    return layer


def _mark_face(strokes: np.ndarray, figure: Dressed, rng: np.random.Generator) -> None:
    if rng.random() < 0.7:
        marks = blank(figure.size)
        draw_face(marks, figure.head, choose_features(rng), Pen(max(1.0, 0.13 * figure.head.radius), 0.4, 0.3, 0.4, 0.2), rng)
        np.maximum(strokes, marks * soft(figure.piece == lines.HEAD, 0.5), out=strokes)


def _chalk(picture: np.ndarray, figure: Dressed, tooth: np.ndarray) -> None:
    """White chalk on the lit side, where the paper is dark enough to show it."""
    lit = np.clip(1.6 * (blur(figure.normal, figure.size / 90) @ np.array([0.4, -0.75, -0.5], np.float32)) - 0.75, 0, 1) * figure.mask
    lay(picture, rough(blur(lit, figure.size / 200), tooth, 0.7) * 0.75, (250, 247, 240))
