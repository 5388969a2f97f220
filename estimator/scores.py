"""Every metric of every sample, for what a method says of a split."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch

from estimator import metrics
from estimator.calibration import reliability
from estimator.losses.order import gaps
from estimator.losses.places import found
from estimator.metrics import Shares
from estimator.prediction import Prediction
from estimator.sample import Sample, from_hips
from manifests.errors import UserError
from manifests.schema import METRICS
from stages.body.contacts import ContactFinder
from stages.body.model import load_body
from stages.body.regressors import regressor
from stages.body.rotations import axis_angle_from_matrix

# Metric to its unit, in the order of the table.
UNITS = {field.name: field.metadata[b"unit"].decode() for field in METRICS}

Scores = dict[str, np.ndarray | Shares]  # of every sample, by metric


@dataclass(frozen=True)
class Said:
    """What a method says of N samples, as numpy arrays in Prediction's shapes; seconds for all."""

    seen: Prediction
    seconds: float


class Judge:
    """The truth of N samples, to hold predictions against."""

    def __init__(self, body: Path | None, samples: list[Sample]):
        """Raises UserError where the samples were made with another body."""
        self.samples, self.body, self._path = samples, load_body(body), body
        names = ("pose", "betas", "bone_scales", "joints2d", "visibility", "joints3d", "joints3d_drawn", "limb_order", "contacts")
        first = samples[0]
        if not self.body.owns(axis_angle_from_matrix(first.pose), first.betas, first.joints3d):
            raise UserError(
                f"the samples to judge by, {first.sample_id} and others, were made with another body than {body or 'the bundled one'}"
            )
        self.truth = {name: np.stack([getattr(sample, name) for sample in samples]) for name in names}

    def scores(self, said: Said) -> Scores:
        """Every metric of UNITS, a number or a share for each sample."""
        truth, seen = self.truth, {name: np.asarray(value) for name, value in said.seen._asdict().items() if value is not None}
        self._check(seen)
        turns = axis_angle_from_matrix(seen["pose"])
        skin, true_skin = self._skin(turns, seen["betas"]), self._true_skin
        between = gaps(torch.from_numpy(seen["joints3d_drawn"]), torch.from_numpy(truth["joints2d"])).numpy()
        touch = np.stack([_finder(self._path).contacts(*figure) for figure in zip(turns, seen["betas"], strict=True)])
        return {
            "mpjpe": metrics.mpjpe(seen["joints3d"], truth["joints3d"]),
            "pa_mpjpe": metrics.pa_mpjpe(seen["joints3d"], truth["joints3d"]),
            "mpjpe_lsp14": metrics.distance(self._lsp14 @ skin, self._lsp14 @ true_skin),
            "pa_mpjpe_lsp14": metrics.pa_mpjpe(self._lsp14 @ skin, self._lsp14 @ true_skin),
            "mpve": metrics.distance(skin, true_skin),
            "mpjpe_drawn": metrics.mpjpe(seen["joints3d_drawn"], truth["joints3d_drawn"]),
            "pck": metrics.pck(seen["joints2d"], truth["joints2d"], truth["visibility"]),
            "pck_body": metrics.pck(laid_over(seen), truth["joints2d"], truth["visibility"]),
            "rotation": metrics.rotation_error(seen["pose"], truth["pose"]),
            "direction": metrics.direction_error(seen["joints3d"], truth["joints3d"]),
            "foreshortening": metrics.foreshortening_error(seen["joints3d_drawn"], truth["joints3d_drawn"]),
            "depth_sign": metrics.depth_sign(seen["joints3d_drawn"], truth["joints3d_drawn"]),
            "limb_order": metrics.order_sign(between, truth["limb_order"]),
            "contact_precision": metrics.contact_precision(touch, truth["contacts"]),
            "contact_recall": metrics.contact_recall(touch, truth["contacts"]),
            "bone_scales": np.exp(np.abs(np.log(seen["bone_scales"] / truth["bone_scales"])).mean(-1)),
            "ms": np.full(len(self.samples), 1000 * said.seconds / len(self.samples)),
        }

    def _check(self, seen: dict[str, np.ndarray]) -> None:
        """Raises UserError for what is no number: it would pass for a sample that a metric says nothing of."""
        for name, values in seen.items():
            lost = ~np.isfinite(values).reshape(len(values), -1).all(1)
            if lost.any():
                raise UserError(f"{self.samples[int(lost.argmax())].sample_id}: what a method says of {name} is no number")

    def reliability(self, said: Said) -> dict:
        """How far the confidence can be trusted, over all joints: one outside the picture is not found."""
        hit = found(torch.as_tensor(said.seen.joints2d), torch.from_numpy(self.truth["joints2d"])).numpy() & (self.truth["visibility"] > 0)
        return reliability(np.asarray(said.seen.confidence).ravel(), hit.ravel())

    def _skin(self, turns: np.ndarray, betas: np.ndarray) -> np.ndarray:
        """Vertices (N, V, 3) of poses (N, 24, 3) and betas (N, 10), from the hips' midpoint: the pelvis of every metric."""
        joints = self.body.joints_of_many(turns, betas)[1]
        hips = joints - from_hips(joints)
        figures = zip(turns, betas, hips, strict=True)
        return np.stack([(self.body.vertices(pose, shape) - at[0]).astype(np.float32) for pose, shape, at in figures])

    @cached_property
    def _true_skin(self) -> np.ndarray:
        return self._skin(axis_angle_from_matrix(self.truth["pose"]), self.truth["betas"])

    @cached_property
    def _lsp14(self) -> np.ndarray:
        return regressor("lsp14", self._path).astype(np.float32)


def laid_over(seen: dict[str, np.ndarray]) -> np.ndarray:
    """Where the drawn joints (N, 16, 3) m of a Prediction lie in the picture (N, 16, 2) px, by its camera."""
    camera = seen["camera"][:, None]
    return camera[..., :1] * seen["joints3d_drawn"][..., :2] + camera[..., 1:]


@cache
def _finder(body: Path | None) -> ContactFinder:
    """Knowing which points of a skin lie far apart takes seconds."""
    return ContactFinder(load_body(body))
