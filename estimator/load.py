"""From a picture to a figure: the detector finds it, a trained model or the fit says how it stands."""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from estimator.corrections import SURE, Corrections
from estimator.figure import Figure, Hypothesis, figures_of
from estimator.hints import Hints
from estimator.hypotheses import hypotheses
from estimator.mixed import set_dtype
from estimator.network import Network, read_net, said_of
from estimator.prediction import Prediction
from estimator.refining import Joints, fitted, misses, refined
from estimator.skeleton import Skeleton
from estimator.state import BUNDLED
from estimator.trust import trusted
from manifests.errors import UserError
from manifests.skeleton import JOINTS, STYLES
from stages.body.model import load_body
from stages.detector.detect import LEAST_SCORE, Detections, Detector, load_detector
from stages.detector.finders import Look
from stages.scan import Scan, read_scan, scan_of

BATCH = 8  # pictures looked at together
_LEAST_WEIGHT = 1e-3
_FAR = 0.1  # of a figure's size: farther from a joint that the user placed it is another figure


class Reading(NamedTuple):
    """What was read in one picture, in px of its file; style and how sure; box (4,) x0, y0, x1, y1; method: `fit`, or the model's name."""

    figure: Figure
    scan: Scan
    box: np.ndarray
    style: str
    style_probability: float
    method: str


class Way(Enum):
    """How a picture is read: by the network alone, its figure then laid on the joints, or by the fit alone."""

    NETWORK = "network"
    REFINE = "refine"
    FIT = "fit"


class _Asked(NamedTuple):
    """A picture, and what its user knows of it."""

    scan: Scan
    hints: Hints
    corrections: Corrections


class Estimator:
    """Reads pictures. `network`: a trained model, or None for the fit alone."""

    def __init__(self, network: Network | None = None, body: Path | None = None, refine: bool = False, dtype: str = "float32"):
        self.network, self.refine, self.body = network, refine, load_body(body)
        self.detector = detector(dtype)
        self.method = network.name if network else "fit"

    def __call__(self, image: np.ndarray | str | Path, hints: Hints | None = None, corrections: Corrections | None = None) -> Figure:
        """The figure in a picture: a file, or an array (H, W, 3) or (H, W, 4) uint8. Raises UserError where nobody is found."""
        named = isinstance(image, (str, Path))
        scan = read_scan(Path(image)) if isinstance(image, (str, Path)) else scan_of(image)
        found = self.read([scan], [hints or Hints()], [corrections or {}])[0]
        if found is None:
            raise UserError(f"{image if named else 'the picture'}: no figure found in it")
        return found.figure

    def read(self, scans: Sequence[Scan], hints: Sequence[Hints], corrections: Sequence[Corrections]) -> list[Reading | None]:
        """A reading of each picture; None where nobody is found. No reading depends on what else was asked for, but for rounding,
        and for how many steps a fit from joints alone takes."""
        asked = list(map(_Asked, scans, hints, corrections))
        out: list[Reading | None] = [None] * len(asked)
        for way in Way:
            rows = [i for i, one in enumerate(asked) if self._way(one) == way]
            for part in (rows[i : i + BATCH] for i in range(0, len(rows), BATCH)):
                for i, reading in zip(part, self._read(way, [asked[i] for i in part]), strict=True):
                    out[i] = reading
        return out

    def _way(self, asked: _Asked) -> Way:
        if self.network is None:
            return Way.FIT
        return Way.REFINE if self.refine or asked.corrections or any(asked.hints) else Way.NETWORK

    def _read(self, way: Way, asked: list[_Asked]) -> list[Reading | None]:
        look = self.detector.find([one.scan.clean for one in asked])
        there = [i for i, one in enumerate(asked) if look.scores[i] >= LEAST_SCORE or one.corrections]
        if not there:
            return [None] * len(asked)
        figures = self._figures(way, [asked[i] for i in there], Look(*(part[there] for part in look)))
        readings = {i: self._reading(look, i, figure, asked[i]) for i, figure in zip(there, figures, strict=True)}
        return [readings.get(i) for i in range(len(asked))]

    def _reading(self, look: Look, i: int, figure: Figure, asked: _Asked) -> Reading:
        style, scale = int(look.styles[i].argmax()), asked.scan.scale
        placed = _with(asked.corrections, _in_file(figure, scale))
        return Reading(placed, asked.scan, look.boxes[i] / scale, STYLES[style], float(look.styles[i, style]), self.method)

    def _figures(self, way: Way, asked: list[_Asked], look: Look) -> list[Figure]:
        """Figures in px of the pictures as they are looked at."""
        if self.network and way == Way.NETWORK:
            return self._seen(self.network, asked, look.boxes)
        found = self.detector.read([one.scan.clean for one in asked], look)
        hints, joints = [one.hints for one in asked], Joints(*_corrected(found, asked), trusted(found.found))
        if self.network is None:
            return fitted(joints, hints, self.body)
        seen = self._seen(self.network, asked, look.boxes, found)
        return self._heeding(refined(seen, joints, hints, self.body), joints, asked)

    def _heeding(self, figures: list[Figure], joints: Joints, asked: list[_Asked]) -> list[Figure]:
        """The figures, or where a figure that stays near the network's pose cannot come to the user's joints, the fit's."""
        rows = [i for i, one in enumerate(asked) if one.corrections and self._misses(figures[i], one) > _FAR]
        others = fitted(Joints(*(part[rows] for part in joints)), [asked[i].hints for i in rows], self.body) if rows else []
        for i, other in zip(rows, others, strict=True):
            figures[i] = min(figures[i], other, key=lambda figure: self._misses(figure, asked[i]))
        return figures

    def _misses(self, figure: Figure, asked: _Asked) -> float:
        return misses(figure, [JOINTS.index(name) for name in asked.corrections], self.body)

    def _seen(self, network: Network, asked: list[_Asked], boxes: np.ndarray, found: Detections | None = None) -> list[Figure]:
        placed = np.stack([_placed(one) for one in asked])
        seen, matrices = said_of(network, [one.scan.clean for one in asked], boxes, placed, found)
        figures, skeleton = figures_of(seen, matrices), Skeleton(self.body)
        return [replace(figure, hypotheses=_readings(seen, i, skeleton, figure)) for i, figure in enumerate(figures)]


def detector(dtype: str = "float32") -> Detector:
    """The bundled detector, a picture a pass: mostly one drawing is asked for, and on a CPU more in a pass are no faster."""
    return load_detector(batch=1, dtype=getattr(torch, dtype))


def load_estimator(
    weights: str | Path | None = None,
    method: str | None = None,
    body: Path | None = None,
    refine: bool = False,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Estimator:
    """What reads pictures. weights: folder of a finished training; None: the bundled model, which knows the bundled body alone.
    method: `network`, or `fit`, which needs no weights and takes any body; None: the network, but the fit for a body without weights.
    refine: the fit goes on from what the network says, as `skep predict` lets it; a drawing alone takes ten times as long.
    dtype: of reading joints, by detector and network; bfloat16 is fast where `skep doctor` says that the CPU has instructions for it."""
    if method not in (None, "fit", "network"):
        raise UserError(f"--method {method}: expected fit or network")
    if dtype not in ("float32", "bfloat16"):
        raise UserError(f"dtype {dtype}: expected float32 or bfloat16")
    if method == "fit" and weights:
        raise UserError("--method fit: it has no weights; leave --weights away, or take network")
    if method is None and body and not weights:
        method = "fit"
    if method == "fit":
        return Estimator(None, body, dtype=dtype)
    network = read_net(Path(weights or BUNDLED), body)
    set_dtype(network.net, getattr(torch, dtype))
    return Estimator(network, body, refine, dtype)


def weights_of(found: Detections) -> np.ndarray:
    """What each joint counts in a fit (B, 16)."""
    # Squared: a joint that was hardly seen is mostly somewhere else.
    return np.maximum(found.found**2, _LEAST_WEIGHT)


def _corrected(found: Detections, asked: Sequence[_Asked]) -> tuple[np.ndarray, np.ndarray]:
    """Joints (B, 16, 2) px and what each counts (B, 16); those that the user placed are certain."""
    placed = np.stack([_placed(one) for one in asked])
    certain = np.isfinite(placed).all(-1)
    return np.where(certain[..., None], placed, found.joints), np.where(certain, SURE, weights_of(found))


def _placed(asked: _Asked) -> np.ndarray:
    """Where the user put joints, (16, 2) px of the picture as it is looked at; NaN where he did not."""
    places = np.full((len(JOINTS), 2), np.nan)
    for name, point in asked.corrections.items():
        places[JOINTS.index(name)] = point * asked.scan.scale
    return places


def _readings(seen: Prediction, index: int, skeleton: Skeleton, figure: Figure) -> tuple[Hypothesis, ...]:
    """A drawing's readings by a network, its limbs leaning one way or the other; they look the same in the picture."""
    found = hypotheses(seen, index, skeleton)
    total = sum(way.probability for way in found)
    return tuple(Hypothesis(w.pose.double().numpy(), w.probability / total, figure.bone_scales, figure.camera) for w in found)


def _with(given: Corrections, figure: Figure) -> Figure:
    """The figure with the user's joints where he put them, in px of the file."""
    joints, sure = figure.joints2d.copy(), figure.confidence.copy()
    for name, point in given.items():
        joints[JOINTS.index(name)], sure[JOINTS.index(name)] = point, 1.0
    return replace(figure, joints2d=joints, confidence=sure)


def _in_file(figure: Figure, scale: float) -> Figure:
    """From px of the picture as it is looked at to those of its file."""
    ways = tuple(way._replace(camera=way.camera / scale) for way in figure.hypotheses)
    return replace(figure, camera=figure.camera / scale, joints2d=figure.joints2d / scale, hypotheses=ways)
