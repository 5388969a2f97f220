"""One rule says which poses are the same: `select` keeps them off two sides, `verify` proves it, both by the same function."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from manifests.dataset import Dataset
from manifests.skeleton import MIRROR, SMPL_MIRROR
from pipeline.run import run
from stages.same_pose import SAME_POSE_DEG, mirrored, pose_vectors, same_poses
from stages.select import LEAK
from stages.shards.check import check_dataset
from stages.shards.leaks import Side, leaks
from tests.estimator.figures import _body, from_hips, stick_row, write_rows
from tests.sticks import SPECS, Sticks, recipe

TURN = Rotation.from_euler("xyz", [20, 60, 5], degrees=True)


def _turned(row: dict) -> dict:
    """The row's pose, struck by a larger body and seen from elsewhere."""
    pose = row["pose"].copy()
    pose[0] = (TURN * Rotation.from_rotvec(row["pose"][0])).as_rotvec()
    return {**row, "pose": pose, "joints3d": (TURN.apply(row["joints3d"]) * 1.2).astype(np.float32)}


def _mirrored(row: dict) -> dict:
    """The row's pose as a mirror beside the camera shows it."""
    pose = row["pose"][list(SMPL_MIRROR)] * (1, -1, -1)
    return {**row, "pose": pose.astype(np.float32), "joints3d": row["joints3d"][list(MIRROR)] * np.float32((-1, 1, 1))}


def _vectors(rows: list[dict]) -> np.ndarray:
    return pose_vectors(*(np.stack([row[name] for row in rows]) for name in ("pose", "joints3d")))


def test_the_same_pose_is_known_in_another_body_and_view():
    row, other = stick_row(0, "train"), stick_row(1, "train")
    assert same_poses(_vectors([_turned(row), other]), _vectors([row])).tolist() == [0, -1]


def test_the_same_pose_is_known_in_a_mirror():
    row, other = stick_row(0, "train"), stick_row(1, "train")
    image = _mirrored(row)
    assert same_poses(_vectors([_turned(image), other]), _vectors([row])).tolist() == [0, -1]
    struck = _vectors([{**image, "joints3d": from_hips(_body().joints(image["pose"], row["betas"])[1])}])
    assert np.abs(struck - mirrored(_vectors([row]))).max() < 0.01  # a body's halves differ by millimetres


def test_poses_are_the_same_within_the_bound_and_the_nearest_is_named():
    rng = np.random.default_rng(0)
    others = rng.normal(0, 1, (300, 15, 3))
    others /= np.linalg.norm(others, axis=-1, keepdims=True)
    axes = np.cross(others[:40], rng.normal(0, 1, (40, 15, 3)))
    axes *= np.radians(np.linspace(0.5, 6, 40))[:, None, None] / np.linalg.norm(axes, axis=-1, keepdims=True)
    turned = Rotation.from_rotvec(axes.reshape(-1, 3)).apply(others[:40].reshape(-1, 3)).reshape(40, 15, 3)
    found = same_poses(*(bones.reshape(len(bones), 45) / np.sqrt(15) for bones in (turned, others)))
    assert found.tolist() == [i if angle < SAME_POSE_DEG else -1 for i, angle in enumerate(np.linspace(0.5, 6, 40))]
    assert same_poses(np.zeros((3, 45)), np.zeros((0, 45))).tolist() == [-1] * 3


def test_leaks_are_named():
    poses = _vectors([stick_row(n, "train") for n in range(3)])
    train, val = Side(["a", "b"], ["s", "t"], poses[:2]), Side(["c", "b"], ["t", "u"], poses[[2, 0]])
    assert list(leaks(train, val)) == [
        "source t is in train and in val",
        "sample b is in train and in val",
        "train sample a has nearly the pose of val sample b",
    ]


class Repeated(Sticks):
    """Every fourth sample strikes the pose of the one before or its mirror image, in a larger body and another view, from a source of
    its own."""

    def _row(self, sample_id):
        row, number = super()._row(sample_id), int(sample_id.rpartition("-")[2])
        if number % 4 == 3:
            before = _turned(super()._row(f"{row['style']}-{number - 1:06d}"))
            before = _mirrored(before) if number % 8 == 3 else before
            row |= {"pose": before["pose"], "joints3d": before["joints3d"]}
        return row


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """A run in which poses come on both sides."""
    folder = tmp_path_factory.mktemp("repeated")
    run(recipe(40), str(folder), ("tests.test_same_pose:Repeated", *SPECS[1:]), quiet=True)
    return Dataset(folder)


def test_what_select_keeps_passes_the_proof(repeated):
    assert set(repeated.index.counted("split", reason=LEAK)) == {("train",)}
    assert list(check_dataset(repeated)) == []


@pytest.mark.parametrize("change", [_turned, _mirrored])
def test_a_pose_planted_on_two_sides_is_found(tmp_path, change):
    planted = {**change(stick_row(2, "train")), "sample_id": "ink-000300", "source_id": "clip-300"}
    dataset = Dataset(write_rows(tmp_path / "dataset", {"train": [stick_row(0, "train"), planted], "val": [stick_row(2, "val")]}))
    assert list(check_dataset(dataset)) == ["train sample ink-000300 has nearly the pose of val sample ink-000002"]
