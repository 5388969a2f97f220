"""Is there a drawing on the paper? Finds blank and black pictures, and figures that run off the sheet."""

from functools import cache

import cv2
import numpy as np

from manifests.recipe import Ink

_DIFFERS = 36  # levels of the most changed channel by which a pixel is ink, not paper
_BLACK = 24  # luminance below which no sheet counts as paper
_PLAIN = 0.35  # least share of a picture that plain paper covers
# A picture painted all over has brush strokes everywhere: reduced to a thumbnail, half of its pixels differ so much from those around.
_THUMBNAIL, _BRUSHED = 64, 3.4
_WITHIN = 0.09  # of the side: how far a table or a scanner's lid may show


def check(image: np.ndarray, ink_config: Ink) -> tuple[bool, str, float]:
    """(keep, reason, share of pixels that differ from the paper) of an RGB picture (H, W, 3) uint8. The reason is empty if kept."""
    paper = paper_of(image)
    inked = _ink(image, paper)
    share = float(inked.mean())
    plain = share < 1 - _PLAIN and not _is_brushed(image)
    cut = plain and _rim(_ink_in_any_light(image, inked)) > ink_config.border
    reason = _reason(share, _is_black(paper), cut, ink_config)
    return not reason, reason, share


def paper_of(image: np.ndarray) -> np.ndarray:
    """The commonest colour (3,) of a picture, to a few levels: its paper, if it has one."""
    colours = cv2.blur(image, (3, 3)).reshape(-1, 3)
    # Twice, with cells that overlap by half: a sheet whose tint straddles two cells is still one sheet.
    papers = [_fullest_cell(colours, offset) for offset in (0, 8)]
    return max(papers, key=lambda cell: cell[0])[1]


def _fullest_cell(colours: np.ndarray, offset: int) -> tuple[int, np.ndarray]:
    cells = (colours.astype(np.int32) + offset) >> 4
    keys = cells @ np.array([1, 32, 1024])
    counts = np.bincount(keys)
    best = int(counts.argmax())
    return int(counts[best]), np.median(colours[keys == best], axis=0)


def _ink(image: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool that are not paper (3,). Black is never paper: a black picture is one of ink."""
    away = np.abs(image.astype(np.int16) - paper.astype(np.int16)).max(-1) > _DIFFERS
    return ~away if _is_black(paper) else away


def _is_black(colour: np.ndarray) -> bool:
    return float(colour @ np.array([0.299, 0.587, 0.114])) < _BLACK


def _reason(share: float, black: bool, cut: bool, bounds: Ink) -> str:
    if share < bounds.least:
        return "blank"
    if black and share > bounds.most:
        return "too dark"
    return "cut at the border" if cut else ""


def _ink_in_any_light(image: np.ndarray, inked: np.ndarray) -> np.ndarray:
    """Ink (64, 64) bool of a sheet that may have been photographed: paper is a quadratic in x and y that fits what is not ink."""
    small = cv2.resize(image, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float32)
    paper = cv2.resize(inked.astype(np.float32), (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).ravel() < 0.5
    terms = _quadratic()
    for _ in range(3):
        if paper.sum() > len(terms) * _PLAIN / 2:
            known = terms[paper]
            light = terms @ np.linalg.solve(known.T @ known, known.T @ small[paper])
            paper = np.abs(small - light).max(1) < _DIFFERS
    return ~paper.reshape(_THUMBNAIL, _THUMBNAIL)


@cache
def _quadratic() -> np.ndarray:
    """The terms (4096, 6) of a quadratic in x and y at the pixels of a thumbnail."""
    y, x = np.indices((_THUMBNAIL, _THUMBNAIL)).reshape(2, -1) / _THUMBNAIL - 0.5
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], 1)


def _is_brushed(image: np.ndarray) -> bool:
    small = cv2.resize(image, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    return float(np.median(np.abs(small - cv2.blur(small, (5, 5))).max(-1))) > _BRUSHED


def _rim(inked: np.ndarray) -> float:
    """Share of ink along the fullest of three sides, at the rim and a little within: what shows beyond the paper's edge is at the
    rim alone. A floor may fill the fourth side, below."""
    within = round(_WITHIN * len(inked))
    sides = ((inked[0], inked[within]), (inked[:, 0], inked[:, within]), (inked[:, -1], inked[:, -1 - within]))
    return max(min(float(line.mean()) for line in side) for side in sides)
