"""Datasets as others want them, elsewhere: 4D-Humans tars, COCO keypoints, `datasets`, a copy in a bucket."""

import io
import json
import pickle
import pickletools
import shutil
import tarfile
from typing import Any

import numpy as np
import pytest

from manifests.arrays import unpack
from manifests.dataset import CARD, FILE, Dataset
from manifests.errors import UserError
from manifests.skeleton import JOINTS
from pipeline.push import files, push
from pipeline.store import Store
from stages.annotated.keypoints import LIMBS
from stages.annotated.reader import read_annotated
from stages.exports.coco import export_coco
from stages.exports.figures import Body, exported
from stages.exports.hmr2 import _rows, export_hmr2, person
from tests.bodies import larger_body
from tests.conftest import tree

PERSON = {
    "keypoints_2d": (44, 3), "keypoints_3d": (44, 4), "center": (2,), "scale": (2,), "body_pose": (72,), "betas": (10,),
    "has_body_pose": (), "has_betas": (),
}  # fmt: skip


@pytest.fixture(scope="module")
def first(smoke_run):
    dataset = Dataset(smoke_run)
    return next(exported(dataset, dataset.index.shards[0]))


def test_a_person_of_4d_humans_has_its_fields(smoke_run, first):
    body = Body(Dataset(smoke_run), None)
    words = person(first, body, _rows(body))
    assert {name: words[name].shape for name in PERSON} == PERSON
    assert all(words[name].dtype == np.float32 for name in PERSON) and set(words) - set(PERSON) == {"personid", "extra_info"}
    # 4D-Humans asks for the loss of the fit in these words, and keeps what has none.
    assert words["extra_info"].get("fitting_loss", np.array({})).item().get("reprojection_loss") is None
    labels = first.labels
    np.testing.assert_array_equal(words["body_pose"].reshape(24, 3), labels["pose"])
    np.testing.assert_allclose(words["scale"] * 200, labels["bbox"][2:] - labels["bbox"][:2], rtol=1e-5)
    # Wrists, knees and ankles are the same points in every convention: OpenPose's 4, 7, 10, 13 and 11, 14 of ours.
    ours, theirs = [4, 7, 9, 12, 10, 13], [4, 7, 10, 13, 11, 14]
    inside = words["keypoints_2d"][theirs, 2] > 0
    assert np.abs(words["keypoints_2d"][theirs, :2] - labels["joints2d"][ours])[inside].max() < 0.03 * first.size
    assert np.abs(words["keypoints_3d"][theirs, :3] - labels["joints3d"][ours]).max() < 0.04
    assert (words["keypoints_3d"][41:] == 0).all() and words["keypoints_3d"][39, 3] == 1


def test_tars_of_4d_humans_hold_an_image_and_a_list_of_plain_arrays(smoke_run, tmp_path):
    dataset = Dataset(smoke_run)
    assert export_hmr2(dataset, tmp_path / "a") == export_hmr2(dataset, tmp_path / "b") == dataset.index.samples
    for shard in dataset.index.shards:
        data = (tmp_path / "a" / shard.shard).read_bytes()
        assert data == (tmp_path / "b" / shard.shard).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            names = tar.getnames()
            members = {name: tar.extractfile(name).read() for name in names}
        pickled = list(pickletools.genops(members[names[1]]))
        called = {arg for op, arg, _ in pickled if op.name == "BINUNICODE"}
        named = {arg for op, arg, _ in pickled if "GLOBAL" in op.name}
        assert [n.partition(".")[2] for n in names] == ["png", "data.pyd"] * shard.samples
        assert {"body_pose", "extra_info"} <= called
        assert named == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}  # numpy 1 has these, too
        for sample in exported(dataset, shard):
            assert members[f"{sample.sample_id}.png"] == sample.image
            (words,) = _Arrays(io.BytesIO(members[f"{sample.sample_id}.data.pyd"])).load()
            truth = sample.labels
            np.testing.assert_array_equal(words["body_pose"].reshape(24, 3), truth["pose"])
            np.testing.assert_array_equal(words["betas"], truth["betas"])
            np.testing.assert_allclose(words["center"], (truth["bbox"][:2] + truth["bbox"][2:]) / 2, rtol=1e-5)


class _Arrays(pickle.Unpickler):
    """Knows what arrays are made of, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        made_of = {"_reconstruct": np._core.multiarray._reconstruct, "ndarray": np.ndarray, "dtype": np.dtype}
        return made_of[name]


def test_coco_is_read_again_by_our_own_reader(smoke_run, tmp_path):
    dataset = Dataset(smoke_run)
    assert export_coco(dataset, tmp_path) == dataset.index.samples
    for split in ("train", "val"):
        found = read_annotated(tmp_path / f"annotations/person_keypoints_{split}.json", tmp_path / split)
        samples = {s.sample_id: s for shard in dataset.shards(split) for s in exported(dataset, shard)}
        assert sorted(a.path.stem for a in found) == sorted(samples)
        for annotated in found:
            truth = samples[annotated.path.stem].labels
            limbs = [JOINTS.index(name) for name in LIMBS]
            known = [j for j in limbs if truth["visibility"][j]]
            assert known and annotated.known[known].all()
            assert np.abs(annotated.joints[known] - truth["joints2d"][known]).max() < 1
            np.testing.assert_array_equal(annotated.visibility[limbs], truth["visibility"][limbs])
            np.testing.assert_allclose(annotated.box, truth["bbox"].clip(0, 128), atol=0.02)
    words = json.loads((tmp_path / "annotations/person_keypoints_train.json").read_text())
    assert all(a["area"] > 0 and len(a["keypoints"]) == 51 for a in words["annotations"])


def test_another_body_must_be_named(smoke_run, tmp_path):
    dataset = Dataset(smoke_run)
    dataset.index = dataset.index.model_copy(update={"recipe": {"body.path": "smpl.npz"}})
    with pytest.raises(UserError, match=r"made with the body file smpl\.npz; name it with --body"):
        Body(dataset, None)
    with pytest.raises(UserError, match=r"made with another body than .*larger\.npz"):
        Body(dataset, larger_body(tmp_path))


def test_datasets_reads_shards_as_they_are(smoke_run, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    dataset = Dataset(smoke_run)
    shards = {"train": [dataset.address(s.shard) for s in dataset.shards("train")]}
    read = datasets.load_dataset("webdataset", data_files=shards, split="train", cache_dir=str(tmp_path))
    truth = {s.sample_id: s for shard in dataset.shards("train") for s in exported(dataset, shard)}
    assert {row["__key__"] for row in read} == set(truth)
    row = read[0]
    np.testing.assert_allclose(row["npz"]["joints2d"], truth[row["__key__"]].labels["joints2d"])
    assert row["png"].size == (128, 128) and row["json"]["sample_id"] == row["__key__"]


def test_numpy_reads_labels_as_they_are(smoke_run):
    dataset = Dataset(smoke_run)
    with tarfile.open(fileobj=io.BytesIO(dataset.read(dataset.index.shards[0].shard))) as tar:
        data = tar.extractfile(tar.getnames()[2]).read()
    arrays = np.load(io.BytesIO(data), allow_pickle=False)
    assert all((arrays[name] == values).all() and arrays[name].dtype == values.dtype for name, values in unpack(data).items())


@pytest.mark.parametrize("scheme", ["folder", "memory", "s3"])
def test_a_push_is_checked_there_and_goes_on(smoke_run, tmp_path, s3, scheme):
    url = {"folder": str(tmp_path / "there"), "memory": f"memory://{tmp_path.name}-pushed", "s3": f"{s3}/pushed"}[scheme]
    dataset, said = Dataset(smoke_run), []
    assert push(dataset, url, said.append) == len(files(dataset)) and said[-1] == f"{FILE}: sent"
    assert push(dataset, url, said.append) == 0
    there = Store(url)
    there.write(dataset.index.shards[0].shard, b"half of it")
    there.remove(FILE)
    assert push(dataset, url, said.append) == 2
    assert Dataset(url).index == dataset.index


def test_over_http_nothing_is_pushed(smoke_run):
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/there: nothing can be written over HTTP; name a folder or an object store"):
        push(Dataset(smoke_run), "http://127.0.0.1:9/there", lambda line: None)


@pytest.mark.parametrize("scheme", ["folder", "memory"])
def test_of_an_older_dataset_nothing_stays_beside_the_new_one(smoke_run, tmp_path, scheme):
    url = {"folder": str(tmp_path / "there"), "memory": f"memory://{tmp_path.name}-older"}[scheme]
    dataset, there, said = Dataset(smoke_run), Store(url), []
    last = dataset.index.shards[-1]
    more, table = (
        last.model_copy(update={"shard": "train-000999.tar"}),
        dataset.index.verdicts[0].model_copy(update={"file": "verdicts/000999.parquet"}),
    )
    older = dataset.index.model_copy(update={"shards": (*dataset.index.shards, more), "verdicts": (*dataset.index.verdicts, table)})
    for name, data in {FILE: older.to_bytes(), more.shard: b"old", table.file: b"old", "train-000998.tar": b"not of the dataset"}.items():
        there.write(name, data)
    push(dataset, url, said.append)
    assert said[:2] == [f"{name}: removed, of an older dataset" for name in (more.shard, table.file)]
    assert not there.exists(more.shard) and not there.exists(table.file) and there.exists("train-000998.tar")
    there.write(FILE, b"half an index")
    assert push(dataset, url, said.append) == 1 and Dataset(url).index == dataset.index


def test_a_damaged_shard_is_not_pushed(smoke_run, tmp_path):
    for path in sorted((smoke_run / "dataset").glob("*.*")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "val-000000.tar").write_bytes(b"")
    with pytest.raises(UserError, match=r"val-000000\.tar differs from its sha256; not sent"):
        push(Dataset(tmp_path), str(tmp_path / "there"), lambda line: None)
    assert not (tmp_path / "there" / FILE).exists()


def _copied(smoke_run, folder, **changes):
    """The dataset of a run, with other words in its index."""
    shutil.copytree(smoke_run / "dataset", folder)
    index = Dataset(smoke_run).index.model_copy(update=changes)
    (folder / FILE).write_bytes(index.to_bytes())
    return Dataset(folder)


def test_a_push_that_cannot_be_read_leaves_the_older_dataset(smoke_run, tmp_path):
    older = _copied(smoke_run, tmp_path / "there", title="older")
    newer, first = _copied(smoke_run, tmp_path / "newer"), older.index.shards[0].shard
    (tmp_path / "there" / first).write_bytes(b"of the older")
    (tmp_path / "newer" / first).unlink()
    with pytest.raises(UserError, match=f"{first}: this file is missing"):
        push(newer, older.url, lambda line: None)
    (tmp_path / "newer" / CARD).write_bytes(b"")
    with pytest.raises(UserError, match=rf"{CARD}: this file is empty"):
        push(newer, older.url, lambda line: None)
    assert Dataset(tmp_path / "there").digest == older.digest


def test_a_push_goes_over_nothing_but_an_older_state_of_its_own(smoke_run, tmp_path):
    _copied(smoke_run, tmp_path / "there", name="other")
    (tmp_path / "run/dataset").mkdir(parents=True)
    (tmp_path / "run/recipe.yaml").write_bytes(b"")
    for place, sentence in (("there", "the dataset other lives there, not smoke"), ("run", "a run lives"), ("run/dataset", "a run lives")):
        before = tree(tmp_path)
        with pytest.raises(UserError, match=sentence):
            push(Dataset(smoke_run), str(tmp_path / place), lambda line: None)
        assert tree(tmp_path) == before


def test_an_export_writes_over_no_dataset(smoke_run, tmp_path):
    dataset = Dataset(smoke_run)
    before = {path: path.read_bytes() for path in sorted((smoke_run / "dataset").glob("*.tar"))}
    for export in (export_hmr2, export_coco):
        with pytest.raises(UserError, match="dataset: a dataset lies there"):
            export(dataset, smoke_run / "dataset")
    assert before and before == {path: path.read_bytes() for path in before}
    (tmp_path / "train-000099.tar").write_bytes(b"")
    with pytest.raises(UserError, match=r"train-000099\.tar: of another dataset"):
        export_hmr2(dataset, tmp_path)
