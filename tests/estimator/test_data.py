"""Shards are read as they were written; damage and pickles are refused."""

import io
import pickle

import numpy as np
import pytest

from estimator.data import Sketches
from estimator.evaluate import evaluate
from estimator.train import train
from manifests.errors import UserError
from manifests.sample import encode_sample
from manifests.skeleton import LEFT_HIP, RIGHT_HIP
from stages.body.rotations import axis_angle_from_matrix
from tests.estimator.figures import SIZE, TINY, stick_picture, stick_row, write_dataset, write_index, write_members


def test_reads_what_was_written(dataset):
    row, sample = stick_row(0, "train"), Sketches(dataset, "train", SIZE)[0]
    assert (sample.sample_id, sample.style) == ("ink-000000", "ink")
    np.testing.assert_array_equal(sample.image, stick_picture(row["joints2d"])[..., ::-1])
    np.testing.assert_allclose(axis_angle_from_matrix(sample.pose), row["pose"], atol=1e-5)
    np.testing.assert_allclose(sample.joints3d[[RIGHT_HIP, LEFT_HIP]].mean(0), 0, atol=1e-6)


def test_smaller_pictures_scale_their_joints(dataset):
    np.testing.assert_allclose(Sketches(dataset, "train", 48)[1].joints2d * 2, Sketches(dataset, "train", 96)[1].joints2d, rtol=1e-6)


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def _with_pickle(members: dict[str, bytes]) -> dict[str, bytes]:
    return {**members, "ink-000000.pkl": pickle.dumps(_Bomb())}


def _with_objects(members: dict[str, bytes]) -> dict[str, bytes]:
    data = io.BytesIO()
    np.savez(data, pose=np.array([_Bomb()], object))
    return {**members, "ink-000000.npz": data.getvalue()}


def _with_path(members: dict[str, bytes]) -> dict[str, bytes]:
    return {f"../{name}": data for name, data in members.items()}


def _with_torn_picture(members: dict[str, bytes]) -> dict[str, bytes]:
    return {**members, "ink-000000.png": members["ink-000000.png"][:100]}


def _without_labels(members: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in members.items() if not name.endswith("npz")}


@pytest.mark.parametrize("harm", [_with_pickle, _with_objects, _with_path, _with_torn_picture, _without_labels])
def test_bad_members_are_refused(tmp_path, harm):
    members = {f"ink-000000.{ext}": data for ext, data in encode_sample(stick_row(0, "train")).items()}
    write_members(tmp_path / "train-000000.tar", harm(members))
    write_index(tmp_path, {"train-000000.tar": 1})
    with pytest.raises(UserError, match=r"train-000000\.tar.*ink-000000"):
        Sketches(tmp_path, "train", 64)[0]


def test_missing_datasets_are_named(tmp_path, dataset):
    with pytest.raises(UserError, match=r"dataset\.json: this file is missing"):
        train(tmp_path / "none", tmp_path / "out", TINY, 0, None)
    only_train = write_dataset(tmp_path / "half", {"train": range(2)})
    with pytest.raises(UserError, match=r"dataset\.json: the val split has no samples"):
        Sketches(only_train, "val", 64)
    (only_train / "train-000000.tar").unlink()
    with pytest.raises(UserError, match=r"train-000000\.tar: this file is missing"):
        Sketches(only_train, "train", 64)
    with pytest.raises(UserError, match="no trained model; train one first"):
        evaluate(dataset, tmp_path, None, dataset)


def test_cut_shards_are_refused(tmp_path):
    folder = write_dataset(tmp_path / "cut", {"train": range(2)})
    shard = folder / "train-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-600])
    with pytest.raises(UserError, match=r"train-000000\.tar, byte \d+: the"):
        Sketches(folder, "train", 64)
