"""What a figure wears and how its hair falls, chosen by seed, and how to say it in words."""

import re
from dataclasses import dataclass

import numpy as np

from stages.sketches.drawing import palette
from stages.sketches.drawing.palette import Paint, far_from, pick, vary

HAIR_SHAPES = ("bald", "short", "short", "bob", "long", "curly", "bun", "ponytail", "spiky")
HATS = ("none", "none", "none", "none", "none", "beanie", "brim")


@dataclass(frozen=True)
class Look:
    """Colours, and lengths in bones passed down the limb (sleeve 0.5: half the upper arm); hem and neckline in torso lengths."""

    skin: Paint
    hair: Paint
    hair_shape: str
    hat: str
    hat_paint: Paint
    outfit: str  # trousers, skirt, dress, suit, bare
    top: Paint
    bottom: Paint
    shoes: Paint
    barefoot: bool
    sleeve: float
    leg: float
    boot: float
    hem: float
    neckline: float
    skirt: float
    flare: float
    stripes: float

    def words(self, coloured: bool) -> str:
        """A short phrase such as `a figure with red trousers, short dark hair`."""
        return with_articles("a figure " + ", ".join([self._clothes(coloured), *self._top_of_head(coloured)]))

    def _clothes(self, coloured: bool) -> str:
        bottom, top = (f"{p.name} " if coloured else "" for p in (self.bottom, self.top))
        if self.outfit == "dress":
            return f"in a {top}dress"
        if self.outfit == "suit":
            return f"in a {top}overall"
        lower = f"a {bottom}skirt" if self.outfit == "skirt" else bottom + ("trousers" if self.leg > 1.2 else "shorts")
        if self.outfit == "bare":
            return f"with a bare chest, {lower}"
        if not coloured:
            return f"with {'long' if self.sleeve > 1.7 else 'short' if self.sleeve > 0.2 else 'no'} sleeves, {lower}"
        return f"with a {'striped ' if self.stripes else ''}{top}top, {lower}"

    def _top_of_head(self, coloured: bool) -> list[str]:
        colour = f" {self.hair.name}" if coloured else ""
        own = {"bald": "a bald head", "bun": f"{colour} hair in a bun", "ponytail": f"a{colour} ponytail", "bob": f"chin-long{colour} hair"}
        hair = own.get(self.hair_shape, f"{self.hair_shape}{colour} hair").strip()
        return [hair, *{"none": [], "brim": ["a hat"], "beanie": ["a beanie"]}[self.hat]]


def with_articles(phrase: str) -> str:
    """The phrase with `an` before a vowel."""
    return re.sub(r"\ba (?=[aeiou])", "an ", phrase)


def choose_look(rng: np.random.Generator) -> Look:
    """A new outfit; colours keep apart so that each piece can be seen."""
    skin = vary(pick(rng, palette.SKINS), rng, 0.02)
    hair = vary(pick(rng, palette.HAIRS if rng.random() < 0.9 else palette.DYED), rng, 0.03)
    top = vary(far_from(rng, palette.CLOTHS, [skin]), rng)
    bottom = vary(far_from(rng, palette.CLOTHS, [skin, top]), rng)
    outfit = str(rng.choice(["trousers", "skirt", "dress", "suit", "bare"], p=[0.56, 0.14, 0.16, 0.07, 0.07]))
    return Look(
        skin=skin,
        hair=hair,
        hair_shape=str(rng.choice(HAIR_SHAPES)),
        hat=str(rng.choice(HATS)),
        hat_paint=vary(far_from(rng, palette.CLOTHS, [skin, hair]), rng),
        outfit=outfit,
        top=top,
        bottom=top if outfit in ("suit", "dress") else bottom,
        shoes=vary(far_from(rng, palette.CLOTHS, [skin, bottom]), rng),
        barefoot=bool(rng.random() < 0.15),
        sleeve=float(rng.choice([rng.uniform(-0.02, 0.1), rng.uniform(0.35, 0.7), rng.uniform(1.1, 1.6), rng.uniform(1.85, 1.97)])),
        leg=float(rng.choice([rng.uniform(0.35, 0.85), rng.uniform(1.3, 1.6), rng.uniform(1.82, 2.0)], p=[0.35, 0.15, 0.5])),
        boot=float(rng.choice([rng.uniform(1.5, 1.7), rng.uniform(1.93, 2.0)], p=[0.2, 0.8])),
        hem=float(rng.choice([rng.uniform(0.02, 0.15), rng.uniform(-0.25, -0.05)])),
        neckline=float(rng.uniform(0.2, 0.4)),
        skirt=float(rng.uniform(0.55, 1.35)),
        flare=float(rng.uniform(0.25, 0.7)),
        stripes=float(rng.uniform(0.1, 0.22)) if rng.random() < 0.22 else 0.0,
    )
