"""What varies from drawing to drawing of a style, and how often: the one table of rates."""

import numpy as np

Rates = dict[str, dict[str, float]]

# How the finished sheet came to be a picture: straight, off a flatbed scanner in colour or grey, or photographed.
_HANDMADE = {"none": 0.6, "scan": 0.12, "grey scan": 0.08, "photo": 0.2}

RATES: dict[str, Rates] = {
    "cartoon": {
        "ground": {"plain": 0.4, "disc": 0.2, "floor": 0.25, "speckle": 0.15},
        "shadow": {"none": 0.4, "cast": 0.6},
        "shading": {"flat": 0.34, "light": 0.33, "deep": 0.33},
        "face": {"none": 0.1, "dots": 0.54, "wide": 0.36},
        "capture": {"none": 0.8, "scan": 0.06, "grey scan": 0.04, "photo": 0.1},
    },
    "oil": {
        "ground": {"room": 0.32, "land": 0.26, "dusk": 0.2, "loose": 0.22},
        "contour": {"lost": 0.35, "found": 0.65},
        "face": {"none": 0.1, "touches": 0.9},
        "capture": {"none": 0.85, "photo": 0.15},
    },
    "ink": {
        "ground": {"empty": 0.3, "stroke": 0.4, "sun": 0.15, "hill": 0.15},
        "wash": {"grey": 0.5, "tinted": 0.35, "dry": 0.15},
        "face": {"none": 0.25, "marks": 0.75},
        "seal": {"none": 0.6, "red": 0.4},
        "capture": {"none": 0.7, "scan": 0.09, "grey scan": 0.06, "photo": 0.15},
    },
    "charcoal": {
        "kind": {"shaded": 0.55, "contour": 0.15, "gesture": 0.15, "construction": 0.15},
        "sheet": {"white": 0.4, "toned": 0.6},
        "stick": {"black": 0.8, "sanguine": 0.2},
        "hatching": {"none": 0.25, "hatched": 0.75},
        "floor": {"none": 0.35, "scribble": 0.65},
        "face": {"none": 0.3, "marks": 0.7},
        "capture": _HANDMADE,
    },
    "stick": {
        "sheet": {"white": 0.36, "tint": 0.24, "ruled": 0.14, "squared": 0.12, "board": 0.14},
        "limbs": {"one go": 0.5, "bone by bone": 0.5},
        "head": {"circle": 0.88, "solid": 0.12},
        "face": {"none": 0.4, "face": 0.6},
        "feet": {"none": 0.25, "feet": 0.75},
        "hands": {"none": 0.4, "dots": 0.3, "fingers": 0.3},
        "hair": {"none": 0.6, "hair": 0.4},
        "floor": {"none": 0.65, "line": 0.35},
        "capture": _HANDMADE,
    },
    "kids": {
        "sheet": {"white": 0.8, "brown": 0.2},
        "fill": {"scribble": 0.6, "flat": 0.25, "none": 0.15},
        "limbs": {"tubes": 0.65, "lines": 0.35},
        "garment": {"trousers": 0.65, "dress": 0.35},
        "hair": {"none": 0.2, "hair": 0.8},
        "sun": {"none": 0.55, "sun": 0.45},
        "grass": {"none": 0.5, "grass": 0.5},
        "house": {"none": 0.85, "house": 0.15},
        "flowers": {"none": 0.75, "flowers": 0.25},
        "clouds": {"none": 0.75, "clouds": 0.25},
        "capture": _HANDMADE,
    },
}  # fmt: skip

# Units that a line may stray from what it draws: an outline from the figure's edge, a bone from the line between its joints.
DRIFT = {"cartoon": 2.5, "oil": 2.0, "ink": 3.0, "charcoal": 7.0, "stick": 4.0, "kids": 6.0}


def choose(style: str, rng: np.random.Generator) -> dict[str, str]:
    """One value for each option of the style, at its stated rate."""
    return {name: str(rng.choice(list(rates), p=list(rates.values()))) for name, rates in RATES[style].items()}
