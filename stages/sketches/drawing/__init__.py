"""The drawing renderer: the buffers of a posed body become strokes, in six styles."""

from dataclasses import dataclass

import numpy as np

from stages.body.figure import Figure
from stages.sketches.drawing import cartoon, charcoal, ink, kids, oil, stick
from stages.sketches.drawing.clothes import dress
from stages.sketches.drawing.colour import picture_of
from stages.sketches.drawing.wardrobe import choose_look

_DRESSED = {"cartoon": cartoon.paint, "oil": oil.paint, "ink": ink.paint, "charcoal": charcoal.paint}
_PRIMITIVE = {"stick": stick.paint, "kids": kids.paint}
_COLOURED = ("cartoon", "oil")


@dataclass(frozen=True)
class Drawing:
    """image (size, size, 3) uint8 RGB; appearance: what the figure looks like, a short phrase."""

    image: np.ndarray
    appearance: str


def draw(figure: Figure, style: str, rng: np.random.Generator, head_turn: np.ndarray | None = None) -> Drawing:
    """A drawing of the figure in one of skeleton.STYLES; all that varies comes from rng.

    head_turn (3, 3): the head's rotation in the camera frame, where known; else the face looks where the chest does.
    """
    if style in _PRIMITIVE:
        picture, appearance = _PRIMITIVE[style](figure, head_turn, rng)
        return Drawing(picture_of(picture), appearance)
    dressed = dress(figure, choose_look(rng), head_turn)
    picture = _DRESSED[style](dressed, rng)
    return Drawing(picture_of(picture), dressed.look.words(style in _COLOURED))
