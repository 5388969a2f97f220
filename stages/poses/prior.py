"""The learned pose prior: 32 latent numbers to a whole pose, worked out row by row in plain loops.

A variational autoencoder in the manner of VPoser, that models the lean of the whole body too (VPoser does not), so that
lying and crawling figures lie and crawl. Only its decoder is needed here; train_prior.py holds both halves.
"""

from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
from numba import njit
from safetensors import SafetensorError
from safetensors.numpy import load_file

from manifests.errors import UserError
from stages.body.rotations import six_from_matrix

LATENT, JOINTS = 32, 22
SLOPE = 0.1  # of the leaky rectifier
WEIGHTS = "prior.safetensors"
_KEYS = ("decoder.0", "decoder.1", "decoder.2")
_LATENT_KEYS = ("latent.share", "latent.mean", "latent.factor")


@dataclass(frozen=True, eq=False)
class Prior:
    """Weights (in, out) and biases (out,) of the decoder's three layers, float64.

    Where the latents of the data lie, as K normal distributions: their upper ends on [0, 1) by how common they are (K,),
    mean (K, 32) and factor (K, 32, 32), the root of the covariance.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    ends: np.ndarray
    mean: np.ndarray
    factor: np.ndarray

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Local rotations (N, 24, 3, 3), the root upright and without heading, of latents (N, 32)."""
        out = np.empty((len(latents), 24, 3, 3))
        (w0, w1, w2), (b0, b1, b2) = self.weights, self.biases
        _decode(np.ascontiguousarray(latents, np.float64), w0, w1, w2, b0, b1, b2, out)
        return out

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Local rotations (count, 24, 3, 3) of poses as common as in the data."""
        return self.decode(self.place(np.concatenate([rng.random((count, 1)), rng.normal(size=(count, LATENT))], 1)))

    def place(self, numbers: np.ndarray) -> np.ndarray:
        """Latents (N, 32) among those of the data, for numbers (N, 33): uniform in [0, 1), then standard normal ones."""
        kind = np.searchsorted(self.ends[:-1], numbers[:, 0], side="right")
        # No matmul: its sums may depend on how many rows there are.
        return self.mean[kind] + (numbers[:, None, 1:] * self.factor[kind]).sum(-1)


def load_prior(path: Path | None = None) -> Prior:
    """Read weights; None reads the bundled ones. Raises UserError naming the file and the key."""
    if path is None:
        with resources.as_file(resources.files("stages.poses") / "weights" / WEIGHTS) as bundled:
            return load_prior(bundled)
    try:
        arrays = load_file(path)
    except (OSError, SafetensorError, ValueError) as e:
        raise UserError(f"{path}: cannot read these weights ({getattr(e, 'strerror', None) or 'not a whole safetensors file'})") from None
    for key in (*(f"{k}.{part}" for k in _KEYS for part in ("weight", "bias")), *_LATENT_KEYS):
        if key not in arrays or not np.isfinite(arrays[key]).all():
            raise UserError(f"{path}: {key} is missing or not finite; expected weights from `make train-prior`")
    weights = tuple(np.ascontiguousarray(arrays[f"{k}.weight"].T, np.float64) for k in _KEYS)
    biases = tuple(arrays[f"{k}.bias"].astype(np.float64) for k in _KEYS)
    sizes = [LATENT, *(len(b) for b in biases)]
    if [w.shape for w in weights] != list(pairwise(sizes)) or sizes[-1] != JOINTS * 6:
        raise UserError(f"{path}: its layers {[w.shape for w in weights]} do not lead from {LATENT} to {JOINTS * 6} numbers")
    share, mean, factor = (arrays[key].astype(np.float64) for key in _LATENT_KEYS)
    if mean.shape != (len(share), LATENT) or factor.shape != (len(share), LATENT, LATENT):
        raise UserError(f"{path}: latent.mean {mean.shape} and latent.factor {factor.shape} do not fit {len(share)} kinds of poses")
    return Prior(weights, biases, np.cumsum(share / share.sum()), mean, factor)


def features(turns: np.ndarray) -> np.ndarray:
    """What the prior is made to repeat: 6D (N, 132) of the first 22 joints of poses (N, 24, 3, 3) without heading."""
    return six_from_matrix(turns[:, :JOINTS]).reshape(len(turns), JOINTS * 6)


@njit(cache=True)
def _decode(latents, w0, w1, w2, b0, b1, b2, out):
    for n in range(len(latents)):
        hidden = _rectified(_layer(latents[n], w0, b0))
        hidden = _rectified(_layer(hidden, w1, b1))
        six = _layer(hidden, w2, b2)
        for j in range(24):
            if j < JOINTS:
                _orthonormal(six[6 * j : 6 * j + 6], out[n, j])
            else:
                out[n, j] = np.eye(3)


@njit(cache=True)
def _layer(x, weight, bias):
    """Sums run over the inputs in their order, so that they do not depend on the machine's vector width."""
    out = bias.copy()
    for i in range(len(x)):
        for o in range(len(out)):
            out[o] += x[i] * weight[i, o]
    return out


@njit(cache=True)
def _rectified(x):
    for i in range(len(x)):
        if x[i] < 0:
            x[i] *= SLOPE
    return x


@njit(cache=True)
def _orthonormal(six, out):
    """The matrix whose first two columns come nearest to the halves of six, made orthonormal from the first on."""
    a = np.sqrt(six[0] ** 2 + six[1] ** 2 + six[2] ** 2) + 1e-12
    x0, x1, x2 = six[0] / a, six[1] / a, six[2] / a
    along = x0 * six[3] + x1 * six[4] + x2 * six[5]
    y0, y1, y2 = six[3] - along * x0, six[4] - along * x1, six[5] - along * x2
    b = np.sqrt(y0 * y0 + y1 * y1 + y2 * y2) + 1e-12
    y0, y1, y2 = y0 / b, y1 / b, y2 / b
    out[0, 0], out[1, 0], out[2, 0], out[0, 1], out[1, 1], out[2, 1] = x0, x1, x2, y0, y1, y2
    out[0, 2], out[1, 2], out[2, 2] = x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0
