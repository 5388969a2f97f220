"""Thresholds of the filter's checks for one detector: `python -m stages.filters.calibrate --library LIBRARY`; `make calibrate-filter`.

The evidence of limbs is weighed on limbs that were erased. Then clean held-out drawings of the renderer are read, and each threshold
is set so that a stated share of each style's drawings falls below it. The file says which detector and which drawings that were; the
stage refuses it beside another detector.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from manifests.errors import UserError, command
from manifests.recipe import Filter
from manifests.skeleton import STYLES
from stages.detector.detect import load_detector
from stages.detector.drawings import Drawings, load_drawings
from stages.filters.calibration import BUNDLED_FILE, WEIGHED, Calibration, detector_digest
from stages.filters.checks import SCORES, judge
from stages.filters.learn import ERASED, SEED, learn
from stages.filters.look import Look, looks_at
from stages.library.chunks import label_of
from stages.wholefile import write_json

# Share of a style's clean drawings that each score may cost: 11 % if no two cost the same one, most where defects are hardest to tell.
SHARES = {"oks": 0.005, "pck": 0.005, "limbs": 0.07, "box": 0.0025, "figures": 0.015, "style": 0.01}
_ENOUGH = {"style": 0.1}  # a threshold need not be higher: of two styles that a picture lies between, either may be meant
_FEWEST = 20  # drawings of a style
_DIGITS = 4


def scores_of(looks: Sequence[Look], limbs: np.ndarray) -> dict[str, np.ndarray]:
    """Each of SCORES (N,) for N drawings; limbs: the weights of learn.py."""
    nothing = Calibration("", {name: dict.fromkeys(STYLES, 0.0) for name in SCORES}, limbs, "")
    made = [judge(look, Filter(), nothing)[1] for look in looks]
    return {name: np.array([scores[name] for scores in made]) for name in SCORES}


def thresholds(scores: dict[str, np.ndarray], styles: np.ndarray) -> dict[str, dict[str, float]]:
    """By score and style: the value that the score's share of the drawings, to the nearest drawing, does not reach."""
    least: dict[str, dict[str, float]] = {name: {} for name in SCORES}
    for index, style in enumerate(STYLES):
        rows = styles == index
        if rows.sum() < _FEWEST:
            raise UserError(f"{rows.sum()} drawings of {style}; expected {_FEWEST} at least")
        for name in SCORES:
            passing = np.sort(scores[name][rows])[round(SHARES[name] * int(rows.sum()))]
            passing = min(passing, _ENOUGH.get(name, 1.0))
            least[name][style] = float(np.floor(passing * 10**_DIGITS) / 10**_DIGITS)
    return least


def lost(scores: dict[str, np.ndarray], styles: np.ndarray, least: dict[str, dict[str, float]]) -> dict[str, float]:
    """Share of each style's drawings that fall below any threshold."""
    out = np.zeros(len(styles), bool)
    for name in SCORES:
        out |= scores[name] < np.array([least[name][style] for style in STYLES])[styles]
    return {style: round(float(out[styles == index].mean()), 4) for index, style in enumerate(STYLES)}


def rows_of(drawings: Drawings) -> list[dict]:
    """The drawings of a library as looks_at wants them."""
    labels = zip(drawings.encoded, drawings.styles, drawings.joints, drawings.visibility, drawings.boxes, strict=True)
    return [
        {"image": image, "style": STYLES[int(style)], "joints2d": joints, "visibility": visibility, "bbox": box}
        for image, style, joints, visibility, box in labels
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="drawings of stages.library.draw, the split val")
    parser.add_argument("--count", type=int, help="drawings to read, of all styles together; default: all")
    parser.add_argument("--weights", type=Path, help="folder of a detector; default: the bundled one")
    parser.add_argument("--out", type=Path, default=BUNDLED_FILE, help="default: the bundled calibration")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    drawings, detector = load_drawings(args.library, "val", args.count), load_detector(args.weights)
    limbs = learn(detector)
    scores = scores_of(looks_at(detector, rows_of(drawings)), limbs)
    least = thresholds(scores, drawings.styles)
    result = {
        "detector": detector_digest(args.weights),
        "erased": {"count": ERASED, "seed": SEED},
        "limbs": dict(zip(WEIGHED, limbs.tolist(), strict=True)),
        "drawings": {"count": len(drawings), "drawn_by": label_of(args.library), "split": "val"},
        "shares": SHARES,
        "lost": lost(scores, drawings.styles, least),
        "least": least,
    }
    write_json(args.out, result)
    print(json.dumps({"out": str(args.out), "lost": result["lost"]}))


if __name__ == "__main__":
    command(main)
