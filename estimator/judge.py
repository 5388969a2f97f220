"""How well a detector reads annotated pictures: PCK in torso lengths, with the box it finds and with the box that is given."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from manifests import markdown
from manifests.errors import UserError
from manifests.skeleton import JOINTS, LEFT_HIP, NECK, RIGHT_HIP, STYLES, VISIBLE
from stages.annotated.reader import Annotated, read_annotated
from stages.detector.detect import load_detector
from stages.detector.metrics import overlap
from stages.detector.sheet import cell
from stages.pictures import grid, png
from stages.wholefile import write_atomically

TORSO = 0.2  # of the box's height: stands for the torso where neck or hips are unknown
BATCH = 16
SHEET, COLUMNS, SHOWN = "annotated.png", 4, 200


class Detector(Protocol):
    """What stages.detector.detect offers: found boxes (N, 4) px and joints (N, 16, 2) px of N pictures (H, W, 3) uint8 RGB."""

    def detect(self, images: list[np.ndarray], boxes: np.ndarray | None = None) -> Any: ...


@dataclass(frozen=True, eq=False)
class Judged:
    """Of N figures: boxes (N, 4) px and joints (N, 16, 2) px as found; errors (N, 16) in torso lengths with the found box and
    with the given one, NaN where a joint does not count; iou (N,) of found and given box; style and picture of each; cells: what was
    found in the first ones, drawn over them."""

    boxes: np.ndarray
    joints: np.ndarray
    errors: np.ndarray
    errors_given: np.ndarray
    iou: np.ndarray
    styles: np.ndarray
    pictures: np.ndarray
    cells: list[np.ndarray]


def evaluate_pictures(data: Path, images: Path | None = None, out: Path | None = None) -> dict:
    """The bundled detector on what stages.annotated reads from `data` and `images`."""
    return evaluate(read_annotated(data, images), load_detector(), out)


def evaluate(samples: Iterable[Annotated], detector: Detector, out: Path | None = None, log: Callable[[str], None] = print) -> dict:
    """Detect, log the tables, write the contact sheet to `out`: pck, pck_given_box, box_iou, pictures, figures, per_style."""
    judged = judge(samples, detector)
    log(table(judged))
    if out:
        _write_sheet(out, judged.cells)
    groups = {style: judged.styles == style for style in STYLES if style in judged.styles}
    pictures = len(set(judged.pictures))
    return summary(judged) | {"pictures": pictures, "per_style": {style: summary(judged, rows) for style, rows in groups.items()}}


def _write_sheet(out: Path, cells: list[np.ndarray]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / SHEET, png(grid(cells, COLUMNS)))
    except OSError as e:
        raise UserError(f"{out}: cannot write the contact sheet there ({e.strerror})") from None


def judge(samples: Iterable[Annotated], detector: Detector) -> Judged:
    """Both passes over all samples, a batch at a time: of many large pictures no more are in memory."""
    given = iter(samples)
    batches = iter(lambda: list(islice(given, BATCH)), [])
    parts = [_judge(batch, detector, SHOWN - BATCH * number) for number, batch in enumerate(batches)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "cells"}
    return Judged(**columns, cells=[one for part in parts for one in part["cells"]])


def _judge(samples: list[Annotated], detector: Detector, shown: int) -> dict[str, Any]:
    """The fields of Judged."""
    images, given = [s.image for s in samples], np.stack([s.box for s in samples])
    found, with_box = detector.detect(images), detector.detect(images, boxes=given)
    errors, errors_given = (np.stack([error(*pair) for pair in zip(samples, f.joints, strict=True)]) for f in (found, with_box))
    first = zip(samples[: max(0, shown)], found.boxes, found.joints, strict=False)
    cells = [cell(sample.image, box, joints, sample.joints[sample.known]) for sample, box, joints in first]
    told = {"styles": np.array([s.style or "" for s in samples]), "pictures": np.array([str(s.path) for s in samples]), "cells": cells}
    both = {"errors": errors, "errors_given": errors_given, "iou": overlap(found.boxes, given)}
    return {"boxes": found.boxes, "joints": found.joints, **both, **told}


def torso(sample: Annotated) -> float:
    """Neck to the hips' midpoint, px; 0.2 of the box's height where one of the three is unknown. At least a pixel."""
    if not sample.known[[NECK, RIGHT_HIP, LEFT_HIP]].all():
        return max(TORSO * float(sample.box[3] - sample.box[1]), 1.0)
    return max(float(np.linalg.norm(sample.joints[NECK] - sample.joints[[RIGHT_HIP, LEFT_HIP]].mean(0))), 1.0)


def error(sample: Annotated, found: np.ndarray) -> np.ndarray:
    """Distances (16,) in torso lengths of found joints (16, 2) px; NaN where the true joint is unknown or not visible."""
    lengths = np.linalg.norm(found - sample.joints, axis=-1) / torso(sample)
    return np.where(sample.known & (sample.visibility == VISIBLE), np.nan_to_num(lengths, nan=np.inf), np.nan)


def pck(errors: np.ndarray, share: float = 0.1) -> float | None:
    """Share of the joints that count that are at most `share` torso lengths off; None where none counts."""
    counted = errors[~np.isnan(errors)]
    return round(float((counted <= share).mean()), 4) if counted.size else None


def median(errors: np.ndarray) -> float | None:
    """Median error in torso lengths of the joints that count."""
    counted = errors[~np.isnan(errors)]
    return round(float(np.median(counted)), 4) if counted.size else None


def summary(judged: Judged, rows: np.ndarray | slice = slice(None)) -> dict:
    """The figures of a group, as plain numbers."""
    share = {"pck": pck(judged.errors[rows]), "pck_given_box": pck(judged.errors_given[rows])}
    return share | {"box_iou": round(float(judged.iou[rows].mean()), 4), "figures": len(judged.iou[rows])}


def table(judged: Judged) -> str:
    """Figures per style, over all and per joint, as a Markdown table."""
    groups: dict[str, tuple] = {style: (judged.styles == style,) for style in STYLES if style in judged.styles}
    groups |= {"all": (slice(None),)} | {name: (slice(None), j) for j, name in enumerate(JOINTS)}
    head = ["", "PCK@0.1", "PCK@0.2", "median, torsos", "given box: PCK@0.1", "PCK@0.2", "median, torsos", "box IoU"]
    lines = []
    for name, index in groups.items():
        cells = [f(e[index]) for e in (judged.errors, judged.errors_given) for f in (pck, lambda x: pck(x, 0.2), median)]
        cells.append(float(judged.iou[index[0]].mean()) if len(index) == 1 else None)
        lines.append([name, *("-" if cell is None else f"{cell:.3f}" for cell in cells)])
    return markdown.table(head, lines, numbers=1)
