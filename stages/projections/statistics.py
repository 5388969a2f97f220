"""python -m stages.projections.statistics RUN: the proportions of a run's figures in the picture, beside those of drawings."""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests import schema
from manifests.errors import UserError, command, first_line
from manifests.skeleton import JOINTS, LEFT_HIP, RIGHT_HIP

_PERCENTS = (5, 50, 95, 99)
# What amateurs and artists draw: limb lengths over the torso's, in the picture; tilt of the torso from upright, degrees.
DRAWN = {
    "arm / torso": (0.68, 0.99, 1.40, None),
    "leg / torso": (1.14, 1.75, 2.42, None),
    "torso tilt": (None, 6.5, 32.0, 79.0),
}
_SHOULDERS = [JOINTS.index("right_shoulder"), JOINTS.index("left_shoulder")]
_ARMS, _LEGS = ((2, 3, 4), (5, 6, 7)), ((8, 9, 10), (11, 12, 13))


def main() -> None:
    parser = argparse.ArgumentParser(description="Proportions of a run's figures in the picture, beside those of real drawings.")
    parser.add_argument("run", type=Path, help="a run's folder, its projections done")
    print(report(read_joints(parser.parse_args().run)))


def read_joints(run: Path) -> tuple[np.ndarray, float]:
    """joints2d (N, 16, 2) px of a run's kept figures, and the share of all that projections rejected."""
    files = sorted((run / "projections").glob("*.parquet"))
    files = [f for f in files if not f.name.endswith(".failed.parquet")]
    if not files:
        raise UserError(f"{run}: no projections here; make them with `skep run … --until projections`")
    try:
        table = pa.concat_tables([pq.ParquetFile(f).read(["joints2d", "reason"], use_threads=False) for f in files])
    except (pa.ArrowInvalid, OSError) as e:
        raise UserError(f"{run}: its projections cannot be read ({first_line(e)})") from None
    kept = np.array([not reason for reason in table["reason"].to_pylist()])
    joints = np.asarray(table["joints2d"].combine_chunks().flatten()).reshape(-1, *schema.shape_of(schema.PROJECTIONS.field("joints2d")))
    return joints[kept].astype(np.float64), 1 - float(kept.mean())


def measures(joints: np.ndarray) -> dict[str, np.ndarray]:
    """Of joints2d (N, 16, 2): arms and legs over torsos (2N,), and the tilt of each torso (N,) from upright, degrees.

    A torso runs from the middle of the shoulders to the middle of the hips.
    """
    hips = joints[:, [RIGHT_HIP, LEFT_HIP]].mean(1)
    spine = joints[:, _SHOULDERS].mean(1) - hips
    torso = np.maximum(np.hypot(*spine.T), 1e-6)
    return {
        "arm / torso": np.concatenate([_length(joints, limb) / torso for limb in _ARMS]),
        "leg / torso": np.concatenate([_length(joints, limb) / torso for limb in _LEGS]),
        "torso tilt": np.degrees(np.arccos(np.clip(-spine[:, 1] / torso, -1, 1))),
    }


def report(read: tuple[np.ndarray, float]) -> str:
    """The table as text."""
    joints, rejected = read
    lines = [f"{len(joints)} figures; {100 * rejected:.1f} % of all rejected", _line("", [f"{p} %" for p in _PERCENTS])]
    for name, values in measures(joints).items():
        lines += [_line(f"{name}, ours", [f"{v:.2f}" for v in np.percentile(values, _PERCENTS)]),
                  _line(f"{name}, drawings", ["" if v is None else f"{v:.2f}" for v in DRAWN[name]])]  # fmt: skip
    return "\n".join(lines)


def _length(joints: np.ndarray, limb: tuple[int, int, int]) -> np.ndarray:
    """Length (N,) in the picture of a limb of two bones."""
    a, b, c = (joints[:, i] for i in limb)
    return np.hypot(*(b - a).T) + np.hypot(*(c - b).T)


def _line(name: str, cells: list[str]) -> str:
    return f"{name:24}" + "".join(f"{cell:>9}" for cell in cells)


if __name__ == "__main__":
    command(main)
