"""A second look: nearer, about the joints that the first one found, and with the torso upright where the figure lies or hangs."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from manifests.skeleton import JOINTS, LEFT_HIP, NECK, RIGHT_HIP
from stages.detector.crops import HEIGHT, WIDTH, apply, crop_matrices, inverse
from stages.detector.heatmaps import CELL, COLUMNS, ROWS

SURE = 0.8  # mean confidence of a figure: above it little is gained
_REACH = {"head": 0.42, "right_wrist": 0.28, "left_wrist": 0.28}  # torso lengths that hair and hands pass a joint by
_SKIN = 0.14  # and all else
_TILTED = np.radians(30)  # of the torso: more of it is turned back; less is how most figures stand


def doubtful(joints: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Rows of joints (N, 16, 2) px that are worth it: those that are not sure (N, 16), and those whose torso is tilted."""
    return np.flatnonzero((confidence.mean(1) < SURE) | (_tilts(joints) != 0))


def matrices_about(joints: np.ndarray) -> np.ndarray:
    """Affine maps (N, 2, 3) from picture to crop (px) that show joints (N, 16, 2) px upright, and little else."""
    reach = np.array([_REACH.get(name, _SKIN) for name in JOINTS])[:, None]
    lengths = np.linalg.norm(_torsos(joints), axis=-1).clip(1)
    turns = np.array([[[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]] for t in _tilts(joints)])
    upright = np.einsum("nij,nkj->nki", turns, joints)
    around = reach * lengths[:, None, None]
    straight = crop_matrices(np.concatenate([(upright - around).min(1), (upright + around).max(1)], axis=1))
    return np.concatenate([straight[:, :, :2] @ turns, straight[:, :, 2:]], axis=2)


def seen_from(maps: Tensor, there: np.ndarray, here: np.ndarray) -> Tensor:
    """Distributions (N, K, 64, 48) over the cells of crops `there` (N, 2, 3), over those of crops `here`; what lies beyond is lost."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS] + 0.5
    cells = np.stack([columns, rows], -1) * CELL
    places = np.stack([apply(t, apply(inverse(h), cells)) for t, h in zip(there, here, strict=True)]) / (WIDTH, HEIGHT)
    area = np.linalg.det(there[:, :, :2]) / np.linalg.det(here[:, :, :2])
    moved = F.grid_sample(maps, torch.from_numpy(places * 2 - 1).to(maps), align_corners=False)
    return moved * torch.from_numpy(area).to(maps)[:, None, None, None]


def _tilts(joints: np.ndarray) -> np.ndarray:
    """By what angle (N,) a torso is to be turned to hang down; 0 where it nearly does."""
    across, down = _torsos(joints).T
    tilt = np.arctan2(across, down)
    return np.where(abs(tilt) >= _TILTED, tilt, 0.0)


def _torsos(joints: np.ndarray) -> np.ndarray:
    """Vectors (N, 2) from the neck to the middle of the hips."""
    return joints[:, [RIGHT_HIP, LEFT_HIP]].mean(1) - joints[:, NECK]
