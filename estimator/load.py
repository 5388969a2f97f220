"""From a picture to a figure: the detector finds it, a trained model or the fit says how it stands."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from estimator.corrections import SURE, Corrections
from estimator.figure import Figure, Hypothesis, figures_of
from estimator.fitting import Fit, fit
from estimator.hints import Hints
from estimator.hypotheses import hypotheses
from estimator.models import default_device, load_model
from estimator.prediction import Prediction
from estimator.scan import Scan, read_scan, scan_of
from estimator.skeleton import Skeleton
from estimator.state import BUNDLED, MODEL, finished
from manifests.errors import UserError
from manifests.skeleton import JOINTS, STYLES
from stages.body.model import load_body
from stages.detector.crops import cut
from stages.detector.detect import Detections, Detector, load_detector

BATCH = 8  # pictures looked at together
FILL = 0.8  # share of the model's input that a figure's longer side spans, as in the pictures it learned from
_LEAST_BOX, _LEAST_SURE = 0.4, 0.17  # score of the box, mean confidence of the joints: below either nobody is drawn
_LEAST_WEIGHT = 1e-3


class Reading(NamedTuple):
    """What was read in one picture, in px of its file; style and how sure; box (4,) x0, y0, x1, y1; method: `fit`, or the model's name."""

    figure: Figure
    scan: Scan
    box: np.ndarray
    style: str
    style_probability: float
    method: str


class Network(NamedTuple):
    """A trained model, on its device; the side of its input in pixels; its name, as `skep train` knows it."""

    net: torch.nn.Module
    size: int
    name: str


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
        """A reading of each picture; None where nobody is found."""
        out: list[Reading | None] = []
        for i in range(0, len(scans), BATCH):
            part = slice(i, i + BATCH)
            out += self._read(scans[part], hints[part], corrections[part])
        return out

    def _read(self, scans: Sequence[Scan], hints: Sequence[Hints], corrections: Sequence[Corrections]) -> list[Reading | None]:
        found = self.detector.detect([scan.clean for scan in scans])
        there = [i for i in range(len(scans)) if _is_there(found, i) or corrections[i]]
        if not there:
            return [None] * len(scans)
        joints, weights = _corrected(found, scans, corrections)
        chosen = [scans[i] for i in there], found.boxes[there], joints[there], weights[there], found.confidence[there]
        figures = self._figures(*chosen, [hints[i] for i in there])
        readings = {i: self._reading(found, i, f, scans[i], corrections[i]) for i, f in zip(there, figures, strict=True)}
        return [readings.get(i) for i in range(len(scans))]

    def _reading(self, found: Detections, i: int, figure: Figure, scan: Scan, given: Corrections) -> Reading:
        style = int(found.styles[i].argmax())
        placed = _with(given, _in_file(figure, scan.scale))
        return Reading(placed, scan, found.boxes[i] / scan.scale, STYLES[style], float(found.styles[i, style]), self.method)

    def _figures(
        self, scans: Sequence[Scan], boxes: np.ndarray, joints: np.ndarray, weights: np.ndarray, sure: np.ndarray, hints: list[Hints]
    ) -> list[Figure]:
        """Figures in px of the pictures as they are looked at. The user's word is heeded by fitting."""
        if self.network is None:
            return _fitted(fit(joints, weights, body=self.body, hints=hints), joints, sure)
        seen = self._seen(self.network, scans, boxes)
        again = [i for i, w in enumerate(weights) if self.refine or any(hints[i]) or (w >= SURE).any()]
        if again:
            pose, betas, scales = (np.stack([getattr(seen[i], name) for i in again]) for name in ("pose", "betas", "bone_scales"))
            asked = [hints[i] for i in again]
            found = fit(joints[again], weights[again], pose, body=self.body, betas=betas, bone_scales=scales, hints=asked)
            for i, figure, shape in zip(again, _fitted(found, joints[again], sure[again]), betas, strict=True):
                # A lone reading is the network's own, moved: the others are as they were.
                others = figure.hypotheses if len(figure.hypotheses) > 1 else seen[i].hypotheses
                seen[i] = replace(figure, betas=shape, hypotheses=others)
        return seen

    @torch.inference_mode()
    def _seen(self, network: Network, scans: Sequence[Scan], boxes: np.ndarray) -> list[Figure]:
        size = network.size
        matrices = [square(box, size) for box in boxes]
        crops = np.stack([cut(scan.clean, m, (size, size)) for scan, m in zip(scans, matrices, strict=True)])
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(255).contiguous()
        seen, skeleton = network.net(images.to(default_device())), Skeleton(self.body)
        figures = figures_of(seen, matrices)
        return [replace(figure, hypotheses=_readings(seen, i, skeleton)) for i, figure in enumerate(figures)]


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
    refine: the fit goes on from what the network says, as `skep predict` lets it; a drawing alone takes more than twice as long.
    dtype: of reading joints; bfloat16 is fast where `skep doctor` says that the CPU has instructions for it."""
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
    return Estimator(read_net(Path(weights or BUNDLED), body), body, refine, dtype)


def read_net(folder: Path, body: Path | None) -> Network:
    """A finished training's network, for use. Raises UserError naming the folder."""
    if finished(folder) is None:
        raise UserError(f"{folder}: no finished training there; expected {MODEL} and its words, as `skep train` leaves them")
    net, config, _ = load_model(folder / MODEL, Skeleton(load_body(body)))
    return Network(net, config.size, config.model)


def square(box: np.ndarray, size: int, fill: float = FILL) -> np.ndarray:
    """The affine map (2, 3) that lays a box (4,) px in the middle of a square of `size` px, its longer side over `fill` of it."""
    scale = fill * size / max(box[2] - box[0], box[3] - box[1], 1.0)
    return np.concatenate([scale * np.eye(2), (size / 2 - scale * (box[:2] + box[2:]) / 2)[:, None]], 1)


def _is_there(found: Detections, i: int) -> bool:
    return bool(found.box_scores[i] >= _LEAST_BOX and found.confidence[i].mean() >= _LEAST_SURE)


def weights_of(found: Detections) -> np.ndarray:
    """What each joint counts in a fit (B, 16)."""
    # Squared: a joint that was hardly seen is mostly somewhere else.
    return np.maximum((found.confidence * (1 - found.visibility[..., 0])) ** 2, _LEAST_WEIGHT)


def _corrected(found: Detections, scans: Sequence[Scan], corrections: Sequence[Corrections]) -> tuple[np.ndarray, np.ndarray]:
    """Joints (B, 16, 2) px and what each counts (B, 16); those that the user placed are certain."""
    joints, weights = np.array(found.joints, np.float64), weights_of(found)
    for i, given in enumerate(corrections):
        for name, point in given.items():
            joints[i, JOINTS.index(name)], weights[i, JOINTS.index(name)] = point * scans[i].scale, SURE
    return joints, weights


def _readings(seen: Prediction, index: int, skeleton: Skeleton) -> tuple[Hypothesis, ...]:
    """A drawing's readings by a network, its limbs leaning one way or the other; scores sum to 1."""
    found = hypotheses(seen, index, skeleton)
    total = sum(reading.probability for reading in found)
    return tuple(Hypothesis(reading.pose.double().numpy(), reading.probability / total) for reading in found)


def _fitted(found: Fit, joints: np.ndarray, sure: np.ndarray) -> list[Figure]:
    """The best reading of each figure, the others beside it."""
    return [
        Figure(pose[0], np.zeros(10), scales[0], camera[0], seen, confidence, tuple(map(Hypothesis, pose, score.tolist())))
        for pose, scales, camera, score, _, seen, confidence in zip(*found, joints, sure, strict=True)
    ]


def _with(given: Corrections, figure: Figure) -> Figure:
    """The figure with the user's joints where he put them, in px of the file."""
    joints, sure = figure.joints2d.copy(), figure.confidence.copy()
    for name, point in given.items():
        joints[JOINTS.index(name)], sure[JOINTS.index(name)] = point, 1.0
    return replace(figure, joints2d=joints, confidence=sure)


def _in_file(figure: Figure, scale: float) -> Figure:
    """From px of the picture as it is looked at to those of its file."""
    return replace(figure, camera=figure.camera / scale, joints2d=figure.joints2d / scale)
