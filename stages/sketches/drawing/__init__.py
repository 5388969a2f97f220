"""The drawing renderer: the buffers of a posed body become strokes, in six styles."""

from dataclasses import dataclass

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import cartoon, charcoal, ink, kids, oil, stick
from stages.sketches.drawing.canvas import Canvas
from stages.sketches.drawing.capture import capture
from stages.sketches.drawing.clothes import dress
from stages.sketches.drawing.colour import picture_of
from stages.sketches.drawing.layer import UNITS
from stages.sketches.drawing.options import choose
from stages.sketches.drawing.svg import svg_of
from stages.sketches.drawing.wardrobe import choose_look

_DRESSED = {"cartoon": cartoon.paint, "oil": oil.paint, "ink": ink.paint, "charcoal": charcoal.paint}
_PRIMITIVE = {"stick": stick.paint, "kids": kids.paint}


@dataclass(frozen=True)
class Drawing:
    """image (size, size, 3) uint8 RGB; appearance: what the figure looks like, a short phrase; options: what was chosen by seed;
    canvas: every stroke."""

    image: np.ndarray
    appearance: str
    options: dict[str, str]
    canvas: Canvas

    def svg(self) -> str:
        """The strokes and areas as the text of an SVG file."""
        return svg_of(self.canvas)


def draw(figure: Figure, style: str, rng: np.random.Generator, head_turn: np.ndarray | None = None, size: int = UNITS) -> Drawing:
    """A drawing of the figure in one of skeleton.STYLES, `size` pixels a side; all that varies comes from rng.

    figure: buffers of 256 pixels a side, whatever the size: larger is the same drawing, finer.
    head_turn (3, 3): the head's rotation in the camera frame, where known; else the face looks where the chest does.
    """
    if figure.size != UNITS:
        raise ValueError(f"the figure's buffers have {figure.size} pixels a side, the renderer reads {UNITS}")
    options = choose(style, rng)
    if style in _PRIMITIVE:
        canvas, appearance = _PRIMITIVE[style](figure, head_turn, options, rng, size)
    else:
        canvas, appearance = _DRESSED[style](dress(figure, choose_look(rng), head_turn), options, rng, size)
    image = picture_of(capture(canvas.picture, options["capture"], _room(figure), rng))
    return Drawing(image, appearance, options, canvas)


def _room(figure: Figure) -> np.ndarray:
    """Units (4,) between the figure and the left, upper, right and lower edge."""
    rows, columns = np.flatnonzero((figure.part > 0).any(1)), np.flatnonzero((figure.part > 0).any(0))
    if not len(rows):
        return np.zeros(4)
    return np.array([columns[0], rows[0], UNITS - 1 - columns[-1], UNITS - 1 - rows[-1]], np.float64)
