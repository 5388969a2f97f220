"""Training tars of 4D-Humans (HMR2.0): an image and `<key>.data.pyd`, a pickled list with one dict a person.

The pickle is what that project reads; it is written here, nothing here reads one.
"""

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from manifests.dataset import Dataset
from manifests.errors import UserError
from manifests.skeleton import SMPL_JOINTS
from stages.exports.figures import Body, Exported, exported, folder_for, keypoints2d

# 25 points of OpenPose, then 19 more of SPIN's: the LSP ones, pelvis and thorax; spine, jaw and head of Human3.6M are not known here.
_UNKNOWN = 3
_PELVIS, _THORAX = "pelvis", "neck"
_PIXELS_A_SCALE = 200
PROTOCOL = 3  # the last whose names are lines of text, which can be replaced: numpy 2 has moved its module, and knows the old name
_NEW_NAME, _OLD_NAME = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"


def export_hmr2(dataset: Dataset, out: Path, body_path: Path | None = None) -> int:
    """Write a tar for each shard into the folder `out`; returns the number of samples. Equal datasets give equal bytes."""
    body, count = Body(dataset, body_path), 0
    rows = _rows(body)
    foreign = {path.name for path in folder_for(out).glob("*.tar")} - {shard.shard for shard in dataset.index.shards}
    if foreign:
        raise UserError(f"{out / min(foreign)}: of another dataset; export into a folder of its own")
    for shard in dataset.index.shards:
        part = out / f".{shard.shard}.part"
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for sample in exported(dataset, shard):
                _add(tar, f"{sample.sample_id}.{sample.extension}", sample.image)
                _add(tar, f"{sample.sample_id}.data.pyd", _pickled([person(sample, body, rows)]))
                count += 1
        part.replace(out / shard.shard)
    return count


def person(sample: Exported, body: Body, rows: np.ndarray) -> dict:
    """What 4D-Humans wants to know of a figure: 2D points of the drawn one, 3D points of the undistorted body, camera frame, metres."""
    points2d, points3d = keypoints2d(rows, body.drawn(sample)), rows @ body.undistorted(sample)
    inside = np.all((points2d >= 0) & (points2d < sample.size), axis=1)
    box = sample.labels["bbox"].reshape(2, 2)
    return {
        "keypoints_2d": _with_confidence(points2d, inside),
        "keypoints_3d": _with_confidence(points3d, np.ones(len(points3d), bool)),
        "center": box.mean(0).astype(np.float32),
        "scale": ((box[1] - box[0]) / _PIXELS_A_SCALE).astype(np.float32),
        "body_pose": sample.labels["pose"].astype(np.float32).ravel(),
        "betas": sample.labels["betas"].astype(np.float32),
        "has_body_pose": np.array(1, np.float32),
        "has_betas": np.array(1, np.float32),
        "personid": 0,
        "extra_info": {"detection_npz_idx": 0},  # with no `fitting_loss`, its filter by that keeps the sample
    }


def _rows(body: Body) -> np.ndarray:
    smpl = body.rows("smpl24")
    from_smpl = [smpl[SMPL_JOINTS.index(name)] for name in (_PELVIS, _THORAX)]
    return np.concatenate([body.rows("openpose25"), body.rows("lsp14"), from_smpl])


def _with_confidence(points: np.ndarray, known: Any) -> np.ndarray:
    """Points (44, D + 1) float32 with their confidence; those that are not known are zero."""
    rows = np.concatenate([np.where(known[:, None], points, 0), known[:, None]], 1)
    return np.concatenate([rows, np.zeros((_UNKNOWN, rows.shape[1]))]).astype(np.float32)


def _pickled(people: list[dict]) -> bytes:
    """Bytes that any numpy reads."""
    return pickle.dumps(people, protocol=PROTOCOL).replace(_NEW_NAME, _OLD_NAME)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
