"""Pictures without a figure, in the renderer's own papers, pens and paints, so that only what is drawn tells them apart."""

from functools import lru_cache

import cv2
import numpy as np

from manifests.randomness import generator
from stages.detector.crops import paper
from stages.detector.materials import MATERIALS, SIDE
from stages.detector.things import HELD_OUT, LEARNT, Draw, Lines
from stages.sketches.drawing.colour import picture_of
from stages.sketches.drawing.layer import UNITS

SHEETS = 8000  # decoys to learn from: each takes longer to draw than all else that a picture needs
_LIGHT = 140  # levels of a ground that ink shows on
_PIECES = 4  # a jigsaw's tile is at most this part of the figure's longer side


def decoy(rng: np.random.Generator, kinds: tuple[Draw, ...] = LEARNT) -> np.ndarray:
    """A picture (128, 128, 3) uint8 RGB of a few things on a sheet, or of nothing."""
    lines: Lines = []
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.05, 0.65, 0.2, 0.1]))):
        lines += _placed(kinds[int(rng.integers(len(kinds)))](rng), rng)
    return picture_of(MATERIALS[int(rng.integers(len(MATERIALS)))](lines, rng))


def nobody(image: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a picture (128, 128, 3) of a figure, its box (4,) px, is replaced by to learn from: a decoy, or what is left of it without
    the figure."""
    kind = rng.random()
    if kind < 0.25:
        return jigsaw(image, box, rng)
    return emptied(image, box) if kind < 0.4 else sheet(int(rng.integers(SHEETS)))


@lru_cache(SHEETS)
def sheet(number: int) -> np.ndarray:
    """One of the decoys to learn from."""
    return decoy(generator(0, f"decoy-{number}", "detector"))


def with_props(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture (H, W, 3) with the lines of a decoy among its own; decoys on dark grounds leave it as it is."""
    other = sheet(int(rng.integers(SHEETS)))
    ground = paper(other)
    if ground.min() < _LIGHT:
        return image
    ink = np.clip(other / ground, 0, 1).astype(np.float32)
    x, y, side = rng.integers(0, SIDE // 3, 3)
    part = cv2.resize(ink[y : y + SIDE - side, x : x + SIDE - side], image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return picture_of(image * part)


def held_out(count: int) -> list[np.ndarray]:
    """Decoys to judge by, of kinds that no training shows."""
    return [decoy(generator(0, f"held-out-{i}", "detector"), HELD_OUT) for i in range(count)]


def jigsaw(image: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A drawing (H, W, 3) of a figure, its box (4,) px, cut into tiles that are laid anew, each turned over or not."""
    side = int(np.clip(max(box[2:] - box[:2]) / _PIECES, 8, min(image.shape[:2]) / 4))
    rows, columns = (length // side for length in image.shape[:2])
    tiles = [image[side * y : side * (y + 1), side * x : side * (x + 1)] for y in range(rows) for x in range(columns)]
    tiles = [tiles[i] if rng.random() < 0.5 else np.rot90(tiles[i], int(rng.integers(1, 4))) for i in rng.permutation(len(tiles))]
    return np.concatenate([np.concatenate(tiles[columns * y : columns * (y + 1)], 1) for y in range(rows)])


def emptied(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A drawing (H, W, 3) without its figure, box (4,) px: what lay around it runs over its place."""
    mask = np.zeros(image.shape[:2], np.uint8)
    x0, y0, x1, y1 = (np.rint(box) + np.array([-3, -3, 3, 3])).astype(int).clip(0).tolist()
    mask[y0:y1, x0:x1] = 1
    return np.asarray(cv2.inpaint(image, mask, 3, cv2.INPAINT_TELEA))


def _placed(lines: Lines, rng: np.random.Generator) -> Lines:
    """The thing somewhere on the sheet, in units, large or small, mirrored, a little turned or stretched."""
    scale = UNITS * rng.uniform(0.3, 1.05) * rng.uniform(0.75, 1, 2) * [rng.choice([-1, 1]), 1]
    turn = rng.normal(0, 0.12) if rng.random() < 0.85 else rng.uniform(-np.pi, np.pi)
    c, s = np.cos(turn), np.sin(turn)
    middle = UNITS / 2 + rng.uniform(-0.5, 0.5, 2) * np.maximum(UNITS - np.abs(scale), 0.1 * UNITS)
    return [middle + (line - 0.5) * scale @ np.array([[c, s], [-s, c]]) for line in lines]
