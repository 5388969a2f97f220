"""Shards as others read them: `webdataset`, plain `tarfile`; and samples that are the same made alone."""

import io
import json
import os
import subprocess
import sys
import tarfile

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image

from manifests import schema
from manifests.arrays import unpack
from manifests.dataset import Dataset, read_index
from manifests.errors import UserError
from manifests.recipe_files import load_recipe
from manifests.sample import LABELS
from manifests.skeleton import STYLE_TEXTS, STYLES
from pipeline.plan import Pipeline
from pipeline.run import run
from stages.exports.figures import exported
from tests.batch import through
from tests.conftest import tree

READ_WITH_WEBDATASET = """
import sys, webdataset as wds
for sample in wds.WebDataset(sys.argv[1:], shardshuffle=False).decode("rgb8"):
    print(sample["__key__"], sample["png"].shape, sample["json"]["text"]["style"], sample["npz"]["joints2d"].shape)
"""


def _shards(folder):
    return sorted((folder / "dataset").glob("*.tar"))


def test_tarfile_reads_whole_adjacent_samples(smoke_run):
    for shard in _shards(smoke_run):
        with tarfile.open(shard) as tar:
            members = tar.getmembers()
            for i in range(0, len(members), 3):
                keys = {m.name.partition(".")[0] for m in members[i : i + 3]}
                assert len(keys) == 1
                assert [m.name.partition(".")[2] for m in members[i : i + 3]] == ["png", "json", "npz"]
                _check_sample(keys.pop(), *(tar.extractfile(m).read() for m in members[i : i + 3]))
            assert all(m.mtime == 0 and m.uid == 0 and m.uname == "" for m in members)


def _check_sample(key, png, words, arrays):
    picture, words, labels = Image.open(io.BytesIO(png)), json.loads(words), unpack(arrays)
    assert picture.size == (128, 128) and words["sample_id"] == key and None not in words.values()
    assert set(labels) == set(LABELS) and all(np.isfinite(a).all() for a in labels.values())
    seen = labels["joints3d_drawn"] @ labels["camera_K"].T
    assert np.abs(seen[:, :2] / seen[:, 2:] - labels["joints2d"]).max() < 0.01


def test_webdataset_reads_the_same_samples_in_secure_mode(smoke_run):
    command = [sys.executable, "-c", READ_WITH_WEBDATASET, *map(str, _shards(smoke_run))]
    done = subprocess.run(command, env={**os.environ, "WDS_SECURE": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 10 and all("(128, 128, 3)" in line and line.endswith("(16, 2)") for line in lines)
    assert {line.split()[0] for line in lines} == {sample.sample_id for sample in _packed(smoke_run)}


def test_a_shard_says_what_the_tables_say(smoke_run):
    known: dict[str, dict] = {}
    for stage in ("poses", "projections", "sketches", "filter"):
        for path in sorted((smoke_run / stage).glob("*[0-9].parquet")):
            for row in schema.rows_of(pq.ParquetFile(path).read()):
                known.setdefault(row["sample_id"], {}).update(row)
    packed = _packed(smoke_run)
    assert len(packed) == 10
    for sample in packed:
        row, words = known[sample.sample_id], sample.words
        for name in LABELS:
            np.testing.assert_array_equal(sample.labels[name], row[name], err_msg=name)
        assert sample.image == row["image"]
        assert words["text"] == {"style": STYLE_TEXTS[words["style"]], "appearance": row["appearance"], "motion": row["motion"]}
        assert all(words[name] == row[name] for name in ("split", "source_id", "proportions", "generator"))
        assert words["scores"] == {name: pytest.approx(row[f"{schema.SCORE}{name}"], abs=1e-6) for name in words["scores"]}
        assert set(words["scores"]) == {name.removeprefix(schema.SCORE) for name in row if name.startswith(schema.SCORE)}


def _packed(run):
    return [sample for shard in Dataset(run).index.shards for sample in exported(Dataset(run), shard)]


def test_the_index_tells_what_is_there(smoke_run):
    index = Dataset(smoke_run).index
    assert [s.shard for s in index.shards] == [p.name for p in _shards(smoke_run)]
    assert index.samples == 10 == sum(index.counted(outcome="kept").values())
    assert index.planned == sum(index.counted().values())
    assert index.files == {} and index.stages == tuple((stage.name, stage.version) for stage in Pipeline(load_recipe("smoke")).stages)


def test_an_index_of_another_time_is_refused():
    with pytest.raises(UserError, match=r"x\.json: schema version 99 is newer than this program's \d+; upgrade skep"):
        read_index(b'{"schema_version": 99}', "x.json")
    with pytest.raises(UserError, match=r"x\.json: schema version 1 is older than 2, the oldest that is read"):
        read_index(b'{"schema_version": 1}', "x.json")
    with pytest.raises(UserError, match=r"x\.json: not a dataset index"):
        read_index(b"[1]", "x.json")
    with pytest.raises(UserError, match=r"x\.json: not a dataset index, name: field required"):
        read_index(b'{"schema_version": 2}', "x.json")


@pytest.fixture(scope="module")
def stages():
    """The real partition stages, set up, with the columns that each reads."""
    pipeline = Pipeline(load_recipe("smoke"))
    made = [cls(pipeline.configs[cls.name]) for cls in pipeline.segments[0].stages]
    for stage in made:
        stage.setup("cpu")
    return made


IDS = [f"{style}-{n:06d}" for style in STYLES for n in range(20)]


@examples(max_examples=12)
@given(st.lists(st.sampled_from(IDS), min_size=2, max_size=5, unique=True))
def test_a_sample_made_alone_equals_itself_in_any_batch(stages, ids):
    (_, together), (_, alone) = through(stages, ids), through(stages, [ids[-1]])
    for batch, single in zip(together, alone, strict=True):
        assert batch.slice(len(ids) - 1).combine_chunks().equals(single.combine_chunks())


def test_two_workers_make_the_same_bytes(smoke_run, tmp_path):
    run(load_recipe("smoke", ["run.workers=2"]), str(tmp_path / "run"), shuffle=1, quiet=True)
    assert tree(tmp_path / "run") == tree(smoke_run)
