"""How a sheet becomes a picture: off a scanner, or photographed on a table. Nothing moves: labels stay exact."""

import cv2
import numpy as np

from stages.sketches.drawing.colour import blur, fitted, noise, polygon
from stages.sketches.drawing.layer import UNITS


def capture(picture: np.ndarray, kind: str, room: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture (size, size, 3) float32 as `none`, `scan`, `grey scan` or `photo` shows it.

    room (4,): units between the figure and the left, upper, right and lower edge; only there may a table show.
    """
    if kind == "grey scan":
        picture = np.repeat(picture.mean(-1, keepdims=True), 3, -1)
    if kind in ("scan", "grey scan"):
        return _scan(picture, rng)
    return _photo(picture, room, rng) if kind == "photo" else picture


def _scan(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blown-out whites or grey veil, dust, a dark band at an edge where the lid stood open, a fold."""
    size = len(picture)
    low, high = rng.uniform(0, 40), rng.uniform(235, 275)
    picture = low + picture * (high - low) / 255
    picture *= 1 - (_band(size, rng) + _fold(size, rng) + _dust(size, rng))[..., None]
    return picture


def _photo(picture: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light from one side, a lamp's colour, a shadow that falls in, table beyond the paper's edge, blur and sensor noise."""
    size = len(picture)
    place = np.linspace(-1, 1, size, dtype=np.float32)
    angle, fall = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.3)
    light = 1 - fall * (0.5 + 0.5 * (np.cos(angle) * place[None] + np.sin(angle) * place[:, None]))
    light *= 1 - rng.uniform(0, 0.2) * (place[:, None] ** 2 + place[None] ** 2)
    light *= 1 - _shadow(size, rng) - _fold(size, rng)
    lamp = np.array([1 + rng.normal(0, 0.05), 1, 1 + rng.normal(0, 0.09)], np.float32)
    picture = picture * light[..., None] * lamp
    if rng.random() < 0.5:
        picture = _table(picture, room, rng)
    picture = blur(picture, rng.uniform(0, 0.7))
    return picture + (noise(rng, size, 0.6) * rng.uniform(1, 5))[..., None]


def _band(size: int, rng: np.random.Generator) -> np.ndarray:
    """Darkness (size, size) along one edge, seldom."""
    place = np.linspace(0, UNITS, size, dtype=np.float32)
    dark = rng.uniform(0.1, 0.4) * np.exp(-place / rng.uniform(2, 8)) * (rng.random() < 0.4)
    side = int(rng.integers(4))
    return np.rot90(np.broadcast_to(dark, (size, size)), side)


def _fold(size: int, rng: np.random.Generator) -> np.ndarray:
    """A crease across the sheet: dark on one side of it, bright on the other; two times in five."""
    angle, offset, deep = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.03), rng.uniform(-0.2, 0.2), rng.uniform(0.03, 0.12)
    place = np.linspace(-1, 1, size, dtype=np.float32)
    across = (np.cos(angle) * place[None] + np.sin(angle) * place[:, None] - offset) * UNITS / 2
    return -deep * across / 1.5 * np.exp(0.5 - (across / 1.5) ** 2 / 2) * (rng.random() < 0.4)


def _dust(size: int, rng: np.random.Generator) -> np.ndarray:
    specks = np.zeros((UNITS, UNITS), np.float32)
    spots = rng.integers(0, UNITS, (int(rng.integers(0, 30)), 2))
    specks[spots[:, 0], spots[:, 1]] = rng.uniform(0.1, 0.7, len(spots))
    return np.clip(fitted(cv2.GaussianBlur(specks, (0, 0), 0.45), size), 0, 1)


def _shadow(size: int, rng: np.random.Generator) -> np.ndarray:
    """The shadow of a hand or a head that leans over the sheet from one edge."""
    corner = rng.uniform(-0.1, 1.1, 2) * UNITS
    corner[int(rng.integers(2))] = rng.choice([-0.05, 1.05]) * UNITS
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    reach = rng.uniform(0.2, 0.55) * UNITS * rng.uniform(0.7, 1.2, 12)
    shape = corner + reach[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    return blur(polygon(size, shape).ink, rng.uniform(6, 16)) * rng.uniform(0.1, 0.3) * (rng.random() < 0.45)


def _table(picture: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Wood or cloth shows beyond the edges of the paper, which lies a little askew."""
    size = len(picture)
    wood = np.array([(132, 96, 64), (92, 66, 48), (176, 150, 120), (70, 74, 82)][int(rng.integers(4))], np.float32)
    grain = fitted(cv2.resize(rng.standard_normal((UNITS // 2, 8), np.float32), (UNITS, UNITS), interpolation=cv2.INTER_CUBIC), size)
    paper = polygon(size, _sheet(room, rng)).ink
    under = 0.7 + 0.5 * blur(paper, 3)
    return (wood + 9 * grain[..., None]) / under[..., None] * (1 - paper[..., None]) + picture * paper[..., None]


def _sheet(room: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Corners (4, 2) of the paper: about half of its edges lie inside the picture, none nearer than 2 units to the figure."""
    seen = rng.random(4) < 0.5
    inset = np.where(seen, np.clip(rng.uniform(3, 14, 4), 0, np.maximum(room - 2, 0)), -30)
    tilt = rng.uniform(0.4, 1, 8).reshape(4, 2)
    left, top, right, bottom = inset
    corners = np.array([[left, top], [UNITS - right, top], [UNITS - right, UNITS - bottom], [left, UNITS - bottom]])
    middle = UNITS / 2
    away = np.abs(corners - middle) - middle  # negative inside the picture
    return middle + np.sign(corners - middle) * (middle + np.where(away < 0, away * tilt, away))
