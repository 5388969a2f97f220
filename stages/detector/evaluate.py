"""How well held-out drawings are read: `python -m stages.detector.evaluate --library LIBRARY`; `make evaluate-detector` draws them first.

Held out: drawings whose poses come from sources of the split val, which no training saw;
and decoys, pictures of nobody, of kinds that no training showed. The last line is one JSON object.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from manifests.errors import command
from manifests.skeleton import JOINTS, OCCLUDED, STYLES, VISIBLE
from stages.detector.decoys import held_out
from stages.detector.detect import LEAST_SCORE, Detections, Detector, load_detector
from stages.detector.drawings import Drawings, load_drawings
from stages.detector.metrics import NEAR, correct, overlap, pck, torsos
from stages.detector.sheet import cell
from stages.pictures import grid, png

_AT_ONCE = 64  # pictures that are decoded at a time
_DECOYS = 300
_COLUMNS, _SURE = 10, 0.4  # of the contact sheet


class Judged(NamedTuple):
    """Held-out drawings, what was found in them, and what was found with the true boxes given; the scores of decoys' boxes."""

    drawings: Drawings
    found: Detections
    boxed: Detections
    decoys: np.ndarray


def judge(detector: Detector, drawings: Drawings, thorough: bool = True) -> Judged:
    """Read the drawings twice: with the finder's boxes and with the true ones."""
    rows = range(0, len(drawings), _AT_ONCE)
    parts = [np.arange(first, min(first + _AT_ONCE, len(drawings))) for first in rows]
    images = ([drawings.picture(int(i)) for i in part] for part in parts)
    both = [
        (detector.detect(some, thorough=thorough), detector.detect(some, drawings.boxes[part], thorough))
        for part, some in zip(parts, images, strict=True)
    ]
    found, boxed = (_joined(list(column)) for column in zip(*both, strict=True))
    return Judged(drawings, found, boxed, detector.find(held_out(_DECOYS)).scores)


def _joined(parts: list[Detections]) -> Detections:
    names = Detections.__dataclass_fields__
    return Detections(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def figures(judged: Judged) -> dict:
    """PCK of visible joints by style, end to end and with the true box; style accuracy; median overlap of the boxes;
    share of figures that are found, and of decoys in which nobody is."""
    drawings, found, boxed, decoys = judged
    by_style = {name: np.flatnonzero(drawings.styles == i) for i, name in enumerate(STYLES)}
    score = lambda made, rows: round(pck(made.joints[rows], drawings.joints[rows], drawings.visibility[rows]), 4)  # noqa: E731
    return {
        "pck": {name: score(found, rows) for name, rows in by_style.items()},
        "pck_true_box": {name: score(boxed, rows) for name, rows in by_style.items()},
        "style_accuracy": round(float((found.styles.argmax(1) == drawings.styles).mean()), 4),
        "box_iou": round(float(np.median(overlap(found.boxes, drawings.boxes))), 4),
        "figures_found": round(float((found.box_scores >= LEAST_SCORE).mean()), 4),
        "decoys_refused": round(float((decoys < LEAST_SCORE).mean()), 4),
    }


def report(judged: Judged) -> str:
    """Tables by style and by joint, for people."""
    drawings, found = judged.drawings, judged.found
    result = figures(judged)
    right, seen = correct(found.joints, drawings.joints), drawings.visibility
    lines = [f"PCK@{NEAR} torso lengths of visible joints, {len(drawings)} held-out drawings", ""]
    lines += [f"{'style':<10}{'drawings':>9}{'PCK':>8}{'true box':>10}{'box IoU':>9}{'style':>8}{'torso px':>10}"]
    share, named, torso = overlap(found.boxes, drawings.boxes), found.styles.argmax(1) == drawings.styles, torsos(drawings.joints)
    for i, name in enumerate(STYLES):
        rows = drawings.styles == i
        cells = f"{result['pck'][name]:>8.3f}{result['pck_true_box'][name]:>10.3f}{np.median(share[rows]):>9.3f}"
        lines += [f"{name:<10}{rows.sum():>9}{cells}{named[rows].mean():>8.3f}{np.median(torso[rows]):>10.1f}"]
    lines += ["", f"{'joint':<16}{'visible':>8}{'occluded':>10}{'confidence':>12}"]
    for i, name in enumerate(JOINTS):
        kinds = (right[:, i][seen[:, i] == kind] for kind in (VISIBLE, OCCLUDED))
        visible, occluded = (f"{those.mean():.3f}" if those.size else "-" for those in kinds)
        lines += [f"{name:<16}{visible:>8}{occluded:>10}{found.confidence[:, i].mean():>12.2f}"]
    told = found.visibility.argmax(-1) == seen
    there = f"figures found: {result['figures_found']:.3f}; decoys refused: {result['decoys_refused']:.3f}"
    return "\n".join([*lines, "", f"visibility told right: {told.mean():.3f}; torsos under 20 px: {(torso < 20).mean():.3f}", there])


def contact_sheet(drawings: Drawings, found: Detections) -> np.ndarray:
    """What was found in the first drawings of each style, a row a style."""
    rows = [row for style in range(len(STYLES)) for row in np.flatnonzero(drawings.styles == style)[:_COLUMNS].tolist()]
    cells = [
        cell(drawings.picture(row), found.boxes[row], found.joints[row], drawings.joints[row], found.confidence[row] > _SURE)
        for row in rows
    ]
    return grid(cells, _COLUMNS)


def evenly(drawings: Drawings, each: int | None) -> Drawings:
    """The first `each` drawings of every style, or all, style after style."""
    rows = [np.flatnonzero(drawings.styles == i)[:each] for i in range(len(STYLES))]
    return drawings.only(np.concatenate(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="drawings of stages.library.draw, the split val")
    parser.add_argument("--weights", type=Path, help="folder of a detector; default: the bundled one")
    parser.add_argument("--finder", type=Path, help="folder of a pretrained person detector, in place of our finder")
    parser.add_argument("--each", type=int, help="drawings of each style; default: all")
    parser.add_argument("--quick", action="store_true", help="one look, without the mirror image")
    parser.add_argument("--once", action="store_true", help="without the second, nearer look")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of what was found, a PNG")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    held = evenly(load_drawings(args.library, "val"), args.each)
    detector = load_detector(args.weights, finder=args.finder)
    detector.eyes.looks_again = detector.eyes.looks_again and not args.once
    judged = judge(detector, held, not args.quick)
    if args.sheet:
        args.sheet.write_bytes(png(contact_sheet(held, judged.found)))
    print(report(judged))
    print(json.dumps(figures(judged)))


if __name__ == "__main__":
    command(main)
