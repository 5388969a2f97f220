"""What a figure wears and how its hair falls, chosen by seed at stated rates, and how to say it in words."""

import re
from dataclasses import dataclass

import numpy as np

from stages.sketches.drawing import palette
from stages.sketches.drawing.palette import Paint, far_from, pick, vary

# Of each option, how often each choice is drawn. A garment that cannot hang in a pose is replaced when
# the figure is dressed, or words for it are chosen.
RATES = {
    "outfit": {"trousers": 0.45, "skirt": 0.11, "dress": 0.14, "coat": 0.17, "suit": 0.07, "bare": 0.06},
    "fit": {"tight": 0.2, "regular": 0.45, "wide": 0.35},
    "legs": {"shorts": 0.3, "calf": 0.12, "long": 0.58},
    "leg_cut": {"straight": 0.5, "tapered": 0.25, "bell": 0.25},
    "sleeves": {"none": 0.2, "short": 0.32, "three-quarter": 0.13, "long": 0.35},
    "sleeve_cut": {"straight": 0.6, "puffed": 0.2, "flared": 0.2},
    "hem": {"tucked": 0.35, "loose": 0.65},
    "neckline": {"round": 0.5, "deep": 0.2, "collar": 0.18, "hood": 0.12},
    "coat": {"hip": 0.35, "thigh": 0.35, "knee": 0.3},
    "front": {"open": 0.6, "closed": 0.4},
    "pattern": {"plain": 0.7, "stripes": 0.18, "dots": 0.12},
    "feet": {"shoes": 0.65, "boots": 0.2, "bare": 0.15},
    "hair": {"bald": 0.1, "short": 0.24, "bob": 0.12, "long": 0.14, "curly": 0.12, "bun": 0.1, "ponytail": 0.1, "spiky": 0.08},
    "hair_colour": {"natural": 0.9, "dyed": 0.1},
    "hat": {"none": 0.74, "beanie": 0.13, "brim": 0.13},
}

# What the choices measure: ease in metres, the rest as in Look; lengths lie evenly between the two.
EASE = {"tight": (0.0, 0.0), "regular": (0.014, 0.024), "wide": (0.032, 0.045)}
LEG = {"shorts": (0.45, 0.88), "calf": (1.3, 1.6), "long": (1.85, 2.0)}
SLEEVE = {"none": (-0.02, 0.1), "short": (0.35, 0.7), "three-quarter": (1.1, 1.6), "long": (1.85, 1.97)}
HEM = {"tucked": (0.03, 0.14), "loose": (-0.24, -0.1)}
NECKLINE = {"round": (0.2, 0.27), "deep": (0.33, 0.42), "collar": (0.12, 0.16), "hood": (0.2, 0.25)}
COAT = {"hip": (0.0, 0.1), "thigh": (0.45, 0.65), "knee": (0.9, 1.25)}
BOOT = {"shoes": (1.93, 2.0), "boots": (1.5, 1.7), "bare": (3.0, 3.0)}


@dataclass(frozen=True)
class Look:
    """Colours, kinds (keys of RATES), and measures: ease (m) by which cloth stands off, 0 where it hugs the body;
    sleeve, leg, boot, skirt, coat: where they end, in bones passed down the limb (0.5: half the upper arm); hem in heights of the trunk
    (0 pelvis, 1 neck); neckline in widths of the shoulders; flare 0..1; stripes, dots: metres from one to the next, 0 for none."""

    skin: Paint
    hair: Paint
    hair_shape: str
    hat: str
    hat_paint: Paint
    outfit: str
    top: Paint
    bottom: Paint
    shoes: Paint
    shirt: Paint
    barefoot: bool
    leg_cut: str
    sleeve_cut: str
    neckline_cut: str
    open: bool
    ease: float
    sleeve: float
    leg: float
    boot: float
    hem: float
    neckline: float
    coat: float
    skirt: float
    flare: float
    stripes: float
    dots: float

    def words(self, coloured: bool) -> str:
        """A short phrase such as `a figure with wide red trousers, short dark hair`."""
        return with_articles("a figure " + ", ".join([self._clothes(coloured), *self._top_of_head(coloured)]))

    def _clothes(self, coloured: bool) -> str:
        top = f"{self.top.name} " if coloured else ""
        pattern = "striped " if self.stripes else "dotted " if self.dots else ""
        if self.outfit == "dress":
            return f"in a {pattern}{top}dress"
        if self.outfit == "suit":
            return f"in a {pattern}{top}overall"
        if self.outfit == "coat":
            return f"in {'an open' if self.open else 'a closed'} {top}{'coat' if self.coat > 0.2 else 'jacket'}, {self._lower(coloured)}"
        if self.outfit == "bare":
            return f"with a bare chest, {self._lower(coloured)}"
        return f"with a {pattern}{top}{self._upper()}, {self._lower(coloured)}"

    def _upper(self) -> str:
        if self.neckline_cut == "hood":
            return "hooded top"
        return "long-sleeved top" if self.sleeve > 1.7 else "sleeved top" if self.sleeve > 0.2 else "sleeveless top"

    def _lower(self, coloured: bool) -> str:
        colour = f"{self.bottom.name} " if coloured else ""
        if self.outfit == "skirt":
            return f"a {colour}skirt"
        wide = "flared " if self.leg_cut == "bell" and self.leg > 1.2 else "wide " if self.ease > 0.03 else ""
        return wide + colour + ("trousers" if self.leg > 1.2 else "shorts")

    def _top_of_head(self, coloured: bool) -> list[str]:
        colour = f" {self.hair.name}" if coloured else ""
        own = {"bald": "a bald head", "bun": f"{colour} hair in a bun", "ponytail": f"a{colour} ponytail", "bob": f"chin-long{colour} hair"}
        hair = own.get(self.hair_shape, f"{self.hair_shape}{colour} hair").strip()
        return [hair, *{"none": [], "brim": ["a hat"], "beanie": ["a beanie"]}[self.hat]]


def with_articles(phrase: str) -> str:
    """The phrase with `an` before a vowel."""
    return re.sub(r"\ba (?=[aeiou])", "an ", phrase)


def choose_look(rng: np.random.Generator) -> Look:
    """A new outfit at the stated rates; colours keep apart so that each piece can be seen."""
    chosen = {name: str(rng.choice(list(rates), p=list(rates.values()))) for name, rates in RATES.items()}
    outfit, coated = chosen["outfit"], chosen["outfit"] == "coat"
    return Look(
        **_colours(rng, outfit, chosen["hair_colour"] == "dyed"),
        hair_shape=chosen["hair"],
        hat=chosen["hat"],
        outfit=outfit,
        barefoot=chosen["feet"] == "bare",
        leg_cut=chosen["leg_cut"],
        sleeve_cut=chosen["sleeve_cut"],
        neckline_cut=chosen["neckline"],
        open=chosen["front"] == "open",
        ease=float(rng.uniform(*EASE[chosen["fit"]])),
        sleeve=float(rng.uniform(*SLEEVE["long" if coated else chosen["sleeves"]])),
        leg=float(rng.uniform(*LEG[chosen["legs"]])),
        boot=float(rng.uniform(*BOOT[chosen["feet"]])),
        hem=float(rng.uniform(*HEM[chosen["hem"]])),
        neckline=float(rng.uniform(*NECKLINE[chosen["neckline"]])),
        coat=float(rng.uniform(*COAT[chosen["coat"]])),
        skirt=float(rng.uniform(0.55, 1.5)),
        flare=float(rng.uniform(0.2, 1.0)),
        stripes=float(rng.uniform(0.06, 0.13)) if chosen["pattern"] == "stripes" and not coated else 0.0,
        dots=float(rng.uniform(0.11, 0.16)) if chosen["pattern"] == "dots" and not coated else 0.0,
    )


def _colours(rng: np.random.Generator, outfit: str, dyed: bool) -> dict[str, Paint]:
    skin = vary(pick(rng, palette.SKINS), rng, 0.02)
    hair = vary(pick(rng, palette.DYED if dyed else palette.HAIRS), rng, 0.03)
    top = vary(far_from(rng, palette.CLOTHS, [skin]), rng)
    bottom = vary(far_from(rng, palette.CLOTHS, [skin, top]), rng)
    return {
        "skin": skin,
        "hair": hair,
        "hat_paint": vary(far_from(rng, palette.CLOTHS, [skin, hair]), rng),
        "top": top,
        "bottom": top if outfit in ("suit", "dress") else bottom,
        "shoes": vary(far_from(rng, palette.CLOTHS, [skin, bottom]), rng),
        "shirt": vary(far_from(rng, palette.CLOTHS, [skin, top, bottom]), rng),
    }
