"""What a figure looks like, said before it is drawn: a phrase such as the renderer gives for its own drawings, chosen by seed."""

import numpy as np

from manifests.skeleton import STYLES
from stages.body.figure import Figure
from stages.sketches.drawing import charcoal, construction, kids, stick
from stages.sketches.drawing.clothes import that_hangs
from stages.sketches.drawing.options import choose
from stages.sketches.drawing.palette import CRAYONS, far_from
from stages.sketches.drawing.wardrobe import Look, choose_look

COLOURED = ("cartoon", "oil")
_HAIR = ("spiky hair", "curly hair", "long hair", "pigtails")
_AROUND = ("sun", "grass", "house", "flowers", "clouds")


def choose_phrase(style: str, rng: np.random.Generator, figure: Figure | None = None) -> str:
    """A phrase for a figure of the style; what it wears suits its pose, where that is known."""
    if style == "stick":
        return _stick(choose(style, rng), rng)
    if style == "kids":
        return _kids(choose(style, rng), rng, figure)
    if style == "charcoal":
        kind = choose(style, rng)["kind"]
        return charcoal.phrase(kind, _look(rng, figure) if _clothed(kind, rng) else None)
    return _look(rng, figure).words(style in COLOURED)


def _look(rng: np.random.Generator, figure: Figure | None) -> Look:
    look = choose_look(rng)
    return look if figure is None else that_hangs(figure, look)


def _clothed(kind: str, rng: np.random.Generator) -> bool:
    """Whether a charcoal drawing of a kind would show clothes."""
    return kind in ("shaded", "contour") or (kind == "construction" and rng.random() < construction.CLOTHED)


def _stick(options: dict[str, str], rng: np.random.Generator) -> str:
    return stick.phrase(options, str(rng.choice(_HAIR)) if options["hair"] == "hair" else "")


def _kids(options: dict[str, str], rng: np.random.Generator, figure: Figure | None) -> str:
    line = kids.line_colour(rng)
    top = far_from(rng, CRAYONS, [line])
    bottom = far_from(rng, CRAYONS, [line, top])
    dress = options["garment"] == "dress" and (figure is None or kids.legs_down(figure))
    hair = [str(rng.choice(_HAIR))] if options["hair"] == "hair" else []
    around = [name for name in _AROUND if options[name] == name][:2]
    return kids.phrase(options, dress, (f"{top.name} ", f"{bottom.name} "), [*hair, *around])


def phrases(count: int = 300) -> list[str]:
    """Phrases of every style, enough for each word to come up."""
    rng = np.random.default_rng(0)
    return [choose_phrase(style, rng) for style in STYLES for _ in range(count)]
