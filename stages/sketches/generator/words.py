"""What a figure looks like, said before it is drawn: a phrase such as the renderer gives for its own drawings, chosen by seed."""

import numpy as np

from manifests.skeleton import STYLES
from stages.sketches.drawing import charcoal, construction
from stages.sketches.drawing.options import choose
from stages.sketches.drawing.palette import CRAYONS, far_from
from stages.sketches.drawing.wardrobe import choose_look, with_articles

COLOURED = ("cartoon", "oil")
_HAIR = ("spiky hair", "curly hair", "long hair", "pigtails")
_AROUND = ("sun", "grass", "house", "flowers", "clouds")


def choose_phrase(style: str, rng: np.random.Generator) -> str:
    """A phrase for a figure of the style."""
    if style == "stick":
        return _stick(choose(style, rng), rng)
    if style == "kids":
        return _kids(choose(style, rng), rng)
    if style == "charcoal" and not _clothed(choose(style, rng)["kind"], rng):
        return charcoal.UNCLOTHED
    return choose_look(rng).words(style in COLOURED)


def _clothed(kind: str, rng: np.random.Generator) -> bool:
    """Whether a charcoal drawing of a kind would show clothes."""
    return kind in ("shaded", "contour") or (kind == "construction" and rng.random() < construction.CLOTHED)


def _stick(options: dict[str, str], rng: np.random.Generator) -> str:
    words = [name for name in ("hands", "feet") if options[name] != "none"]
    words += ["a face"] if options["face"] == "face" and options["head"] == "circle" else []
    words += [str(rng.choice(_HAIR))] if options["hair"] == "hair" else []
    return "a stick figure" + (" with " + ", ".join(words) if words else "")


def _kids(options: dict[str, str], rng: np.random.Generator) -> str:
    top = far_from(rng, CRAYONS, [])
    bottom = far_from(rng, CRAYONS, [top])
    clothes = f"in a {top.name} dress" if options["garment"] == "dress" else f"with a {top.name} top, {bottom.name} trousers"
    hair = [str(rng.choice(_HAIR))] if options["hair"] == "hair" else []
    around = [name for name in _AROUND if options[name] == name][:2]
    return with_articles("a figure " + ", ".join([clothes, *hair, *around]))


def phrases(count: int = 300) -> list[str]:
    """Phrases of every style, enough for each word to come up."""
    rng = np.random.default_rng(0)
    return [choose_phrase(style, rng) for style in STYLES for _ in range(count)]
