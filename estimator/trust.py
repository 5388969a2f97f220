"""How surely a joint that the bundled detector found is right: `python -m estimator.trust --library LIBRARY`; `make calibrate-confidence`.

The detector's own confidence is the share of a heatmap about its peak, which promises too much. Slope and offset of its log odds are
fitted to held-out drawings of the renderer; the file says which, and for which detector.
"""

import argparse
import json
from functools import cache
from pathlib import Path

import numpy as np
import torch

from estimator.calibration import NEUTRAL, platt, reliability, straightened
from estimator.data import Sketches
from estimator.state import BUNDLED
from manifests.errors import command
from manifests.skeleton import STYLES
from stages.detector.detect import Detector, load_detector
from stages.detector.drawings import Drawings, load_drawings
from stages.detector.metrics import correct
from stages.detector.weights import BUNDLED as DETECTOR
from stages.library.chunks import label_of
from stages.pictures import png
from stages.shards.held_out import open_held_out
from stages.tensorfile import weights_digest
from stages.wholefile import write_json

FILE = BUNDLED / "confidence.json"
_AT_ONCE = 32


def trusted(confidence: np.ndarray) -> np.ndarray:
    """How surely the detector found joints (N, 16), as the probability that one lies within 0.1 torso lengths of its place."""
    return straightened(confidence, *_line())


@cache
def _line() -> tuple[float, float]:
    """Slope and offset; those of no change beside another detector than they were found for."""
    known = json.loads(FILE.read_bytes())
    return (known["slope"], known["offset"]) if known["detector"] == weights_digest(DETECTOR) else NEUTRAL


def told_and_right(detector: Detector, drawings: Drawings) -> tuple[np.ndarray, np.ndarray]:
    """Of each joint: confidence (K,), and whether it was found (K,): one outside its picture is not, wherever it was thought to be."""
    parts = []
    for first in range(0, len(drawings), _AT_ONCE):
        some = drawings.only(np.arange(first, min(first + _AT_ONCE, len(drawings))))
        found = detector.detect([some.picture(i) for i in range(len(some))])
        right = correct(found.joints, some.joints) & (some.visibility > 0)
        parts.append((found.found.ravel(), right.ravel()))
    told, right = map(np.concatenate, zip(*parts, strict=True))
    return told, right


def held_out(name: str) -> Drawings:
    """The sketches of a held-out dataset, as large as they are stored."""
    dataset = open_held_out(name)
    every = list(Sketches(dataset.url, "val", dataset.index.image_size))
    joints, seen, boxes = (np.stack([getattr(sample, field) for sample in every]) for field in ("joints2d", "visibility", "bbox"))
    styles = np.array([STYLES.index(sample.style) for sample in every], np.uint8)
    return Drawings([png(sample.image) for sample in every], joints, seen, boxes, styles)


def report(name: str) -> dict:
    """How far the bundled detector's own word and the calibrated one can be trusted on a held-out dataset."""
    told, right = told_and_right(load_detector(), held_out(name))
    return {"own": reliability(told, right), "calibrated": reliability(trusted(told), right)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--library", type=Path, help="drawings of stages.library.draw, the split val, to calibrate on")
    source.add_argument("--held-out", help="name of a held-out dataset, to see what the calibration is worth there")
    parser.add_argument("--count", type=int, help="drawings to read, of all styles together; default: all")
    parser.add_argument("--out", type=Path, default=FILE, help="default: the bundled file")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.held_out:
        print(json.dumps(report(args.held_out)))
        return
    drawings = load_drawings(args.library, "val", args.count)
    told, right = told_and_right(load_detector(), drawings)
    slope, offset = platt(told, right)
    errors = [reliability(c, right)["expected_calibration_error"] for c in (told, straightened(told, slope, offset))]
    result = {
        "detector": weights_digest(DETECTOR),
        "drawings": {"count": len(drawings), "drawn_by": label_of(args.library), "split": "val"},
        "slope": round(slope, 4),
        "offset": round(offset, 4),
        "expected_calibration_error": dict(zip(("before", "after"), errors, strict=True)),
    }
    write_json(args.out, result)
    print(json.dumps(result))


if __name__ == "__main__":
    command(main)
