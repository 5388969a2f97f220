"""Charcoal: lines searched for again and again, hatching, smudged shade, the tooth of the paper; or one of the kinds of
sketch that artists make with it: clean contour, gesture, construction."""

import numpy as np

from stages.sketches.drawing import construction, gesture, lines, paper
from stages.sketches.drawing.anatomy import Footing
from stages.sketches.drawing.canvas import Canvas
from stages.sketches.drawing.colour import blur, noise, rough, soft
from stages.sketches.drawing.dressed import HAIR, HAT, SHOES, SKIN, TOP, Dressed
from stages.sketches.drawing.enlarged import enlarged
from stages.sketches.drawing.face import choose_features, draw_face
from stages.sketches.drawing.hatching import hatch
from stages.sketches.drawing.layer import Layer, blank
from stages.sketches.drawing.pen import Pen, draw_line, resample
from stages.sketches.drawing.wardrobe import Look

_WHITE = ((247, 245, 240), (250, 250, 250), (243, 240, 232))
_TONED = ((226, 222, 214), (205, 190, 165), (196, 178, 146), (190, 192, 194))

# How each kind is told from the others.
_SAID = {"shaded": "shaded", "contour": "in clean contours", "gesture": "in gesture lines", "construction": "in construction lines"}

Sketch = tuple[Layer, bool]  # strokes, and whether clothes are among them


def paint(figure: Dressed, options: dict[str, str], rng: np.random.Generator, size: int) -> tuple[Canvas, str]:
    """The picture of a dressed figure and a phrase for it."""
    sheets, large = _WHITE if options["sheet"] == "white" else _TONED, enlarged(figure, size)
    canvas, tooth = Canvas(paper.plain(rng, size, sheets[int(rng.integers(len(sheets)))], 2.5, 1.2)), _tooth(rng, size)
    stick = np.array((38, 35, 34) if options["stick"] == "black" else (104, 52, 34), np.float32)
    strokes, clothed = _KINDS[options["kind"]](canvas, figure, large, options, stick, tooth, rng)
    if options["floor"] == "scribble":
        _floor(strokes, figure.footing, rng)
    if options["face"] == "marks":
        marks = blank(size)
        draw_face(marks, figure.head, choose_features(rng), Pen(max(1.0, 0.13 * figure.head.radius), 0.4, 0.3, 0.4, 0.2), rng)
        strokes.merge(marks.within(soft(large.piece == lines.HEAD, 0.5)))
    canvas.glaze(rough(strokes, tooth, rng.uniform(0.5, 0.85), 0.95), stick)
    if options["sheet"] == "toned" and options["kind"] == "shaded":
        _chalk(canvas, large, tooth)
    return canvas, phrase(options["kind"], figure.look if clothed else None)


def phrase(kind: str, look: Look | None) -> str:
    """What a figure of a kind looks like; look: where its clothes are drawn."""
    return f"{look.words(coloured=False) if look else 'a figure'}, {_SAID[kind]}"


def _tooth(rng: np.random.Generator, size: int) -> np.ndarray:
    return 0.75 * noise(rng, size, 0.7) + 0.65 * noise(rng, size, 0.4)


def _shaded(canvas: Canvas, figure: Dressed, large: Dressed, options: dict[str, str], stick, tooth, rng: np.random.Generator) -> Sketch:
    """Outlines searched for over smudged shade, and hatching."""
    light = np.array([rng.choice([-1, 1]) * rng.uniform(0.4, 0.9), -0.6, -0.4], np.float32)
    tone = _tones(rng)
    smudge = blur(_darkness(large, light, tone), 4) * rng.uniform(0.3, 0.7)
    canvas.glaze(np.clip(smudge * (1 + 0.12 * noise(rng, canvas.size, 5)) + 0.15 * rough(Layer(smudge), tooth, 0.6).ink, 0, 1), stick)
    strokes = _outline(figure, rng, canvas.size)
    if options["hatching"] == "hatched":
        _hatch(strokes, _darkness(figure, light, tone), rng)
    return strokes, True


def _contour(canvas: Canvas, figure: Dressed, large: Dressed, options: dict[str, str], stick, tooth, rng: np.random.Generator) -> Sketch:
    """One clean line round everything, thick and thin, that runs a little past its ends."""
    layer = blank(canvas.size)
    pen = Pen(rng.uniform(1.0, 2.4), 0.35, 0.25, 0.3, 0.25, rng.uniform(0.8, 1))
    for line in lines.trace(figure, 8):
        if len(line.points) > 8:
            draw_line(layer, _past(line.points, rng.uniform(0, 5)), pen, rng)
    return layer, True


def _gesture(canvas: Canvas, figure: Dressed, large: Dressed, options: dict[str, str], stick, tooth, rng: np.random.Generator) -> Sketch:
    return gesture.sketch(figure, rng, canvas.size), False


def _construction(
    canvas: Canvas, figure: Dressed, large: Dressed, options: dict[str, str], stick, tooth, rng: np.random.Generator
) -> Sketch:
    return construction.sketch(figure, rng, canvas.size)


_KINDS = {"shaded": _shaded, "contour": _contour, "gesture": _gesture, "construction": _construction}


def _tones(rng: np.random.Generator) -> np.ndarray:
    """How dark (8,) each region is by itself."""
    tone = np.full(8, rng.uniform(0, 0.5), np.float32)
    tone[[0, SKIN, HAIR, HAT, SHOES]] = 0, 0, rng.uniform(0.5, 1), 0.7, rng.uniform(0.3, 0.9)
    tone[TOP] = rng.uniform(0, 0.5)
    return tone


def _darkness(figure: Dressed, light: np.ndarray, tone: np.ndarray) -> np.ndarray:
    """How dark (H, W) each place is: its own tone and the shadow on it."""
    shadow = np.clip(0.55 - 0.9 * blur(figure.normal, 2.8) @ (light / np.linalg.norm(light)), 0, 1) * figure.mask
    return np.clip(0.75 * shadow + tone[figure.region], 0, 1)


def _outline(figure: Dressed, rng: np.random.Generator, size: int) -> Layer:
    """Every line two or three times, in short straightish pieces that overshoot."""
    layer = blank(size)
    weight, passes, astray = rng.uniform(1.0, 2.6), int(rng.integers(2, 5)), rng.uniform(0.7, 1.5)
    for line in lines.trace(figure, 5):
        if len(line.points) < 7:
            continue
        for k in range(passes if line.edge else 1):
            firm = (1.0 if k == 0 else rng.uniform(0.3, 0.65)) * (1 if line.edge else 0.8)
            pen = Pen(weight * rng.uniform(0.7, 1.5), 0.5, 0.3, 0.3, 0.35, firm, 0.08)
            _search(layer, line.points + np.clip(rng.normal(0, 1, 2), -2, 2) * (0.3 if k == 0 else astray), pen, rng)
    return layer


def _search(layer: Layer, points: np.ndarray, pen: Pen, rng: np.random.Generator) -> None:
    start = 0
    while start < len(points) - 4:
        stop = start + int(rng.uniform(20, 60))
        piece = points[start:stop]
        if len(piece) > 4:
            draw_line(layer, _past(piece, rng.uniform(0, 5)), pen, rng)
        start = stop - int(rng.uniform(2, 9))


def _past(points: np.ndarray, reach: float) -> np.ndarray:
    """The polyline drawn on past its end, straight, by `reach` times its last step."""
    return np.concatenate([points, [points[-1] + (points[-1] - points[-4]) / 3 * reach]])


def _hatch(layer: Layer, dark: np.ndarray, rng: np.random.Generator) -> None:
    """Parallel strokes across the dark places, of one hand and direction; a second set crosses the darkest."""
    angle, gap = rng.choice([-1, 1]) * rng.uniform(0.5, 1.0), rng.uniform(2.8, 4.6)
    dark = blur(dark, 2)
    for turn, level in ((0.0, 0.42), (0.7, 0.75)):
        pen = Pen(rng.uniform(0.8, 1.5), 0.4, 0.4, 0.3, 0.5, rng.uniform(0.5, 0.85))
        hatch(layer, dark > level, angle + turn, gap, pen, rng)


def _floor(layer: Layer, footing: Footing, rng: np.random.Generator) -> None:
    """A scribbled shadow under the feet."""
    half, count = footing.half + rng.uniform(8, 46), int(rng.integers(6, 16))
    swing = half * np.where(np.arange(count) % 2, 1, -1) * rng.uniform(0.6, 1, count)
    zigzag = np.stack([footing.middle + swing, footing.low + np.linspace(0, 7.5, count)], 1)
    draw_line(layer, resample(zigzag, 3), Pen(1.7, 0.5, 0.1, 0.3, 1, 0.6), rng)


def _chalk(canvas: Canvas, figure: Dressed, tooth: np.ndarray) -> None:
    """White chalk on the lit side, where the paper is dark enough to show it."""
    lit = np.clip(1.6 * (blur(figure.normal, 2.8) @ np.array([0.4, -0.75, -0.5], np.float32)) - 0.75, 0, 1) * figure.mask
    canvas.lay(rough(Layer(blur(lit, 1.3)), tooth, 0.7, 0.75), (250, 247, 240))
