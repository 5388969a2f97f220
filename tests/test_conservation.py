"""Nothing is lost, made twice or made again: verdicts add up, growth redoes nothing, packing changes the grouping alone."""

import json
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from manifests.dataset import Dataset
from manifests.randomness import order_key
from manifests.recipe import share_out
from pipeline.plan import Pipeline
from pipeline.run import run
from stages.select import Select
from tests.conftest import tree
from tests.sticks import SPECS, recipe

OUTCOMES = {"kept", "rejected", "surplus", "failed"}


def _made(folder: Path, **more) -> Path:
    run(recipe(**more), str(folder), SPECS, quiet=True)
    return folder


def _verdicts(folder: Path) -> list[dict]:
    return [row for path in sorted((folder / "dataset/verdicts").iterdir()) for row in pq.ParquetFile(path).read().to_pylist()]


def _sequence(folder: Path) -> dict[str, list]:
    """Names and bytes of the members of each split, in their order, whatever shards they lie in."""
    out: dict[str, list] = {"train": [], "val": []}
    for shard in Dataset(folder).index.shards:
        with tarfile.open(folder / "dataset" / shard.shard) as tar:
            out[shard.split] += [(m.name, tar.extractfile(m).read()) for m in tar]
    return out


def _below(files: dict[str, str], room: str) -> dict[str, str]:
    return {name: sha256 for name, sha256 in files.items() if name.startswith(f"{room}/")}


@examples(max_examples=6)
@given(st.integers(2, 40), st.integers(0, 5), st.floats(1, 1.6), st.integers(1, 9))
def test_every_planned_sample_has_one_outcome(tmp_path_factory, count, seed, oversample, samples):
    folder = _made(tmp_path_factory.mktemp("run"), count=count, seed=seed, poses__oversample=oversample, shards__samples=samples)
    rows, index = _verdicts(folder), Dataset(folder).index
    planned = [p.stem for p in sorted((folder / "poses").glob("*.parquet")) if ".failed" not in p.name]
    ids = [i for name in planned for i in pq.ParquetFile(folder / f"poses/{name}.parquet").read()["sample_id"].to_pylist()]
    assert sorted(r["sample_id"] for r in rows) == sorted(ids) and len(set(ids)) == len(ids)
    assert {r["outcome"] for r in rows} <= OUTCOMES
    assert index.planned == len(ids) and index.counted() == {(): len(ids)}
    kept = sorted(r["sample_id"] for r in rows if r["outcome"] == "kept")
    packed = [name.partition(".")[0] for names in _sequence(folder).values() for name, _ in names]
    assert sorted(set(packed)) == kept and len(packed) == 3 * len(kept) == 3 * index.samples
    wanted = share_out(count, ("ink", "stick"))
    assert all(index.counted(outcome="kept", style=style).get((), 0) <= n for style, n in wanted.items())


@examples(max_examples=3)
@given(st.integers(2, 20), st.integers(1, 30))
def test_growing_redoes_nothing(tmp_path_factory, count, more):
    folder = _made(tmp_path_factory.mktemp("run"), count=count)
    before = {p.name: p.stat().st_mtime_ns for p in (folder / "poses").iterdir()}
    kept = {r["sample_id"] for r in _verdicts(folder) if r["outcome"] == "kept"}
    _made(folder, count=count + more)
    after = {p.name: p.stat().st_mtime_ns for p in (folder / "poses").iterdir()}
    assert before.items() <= after.items()
    assert kept <= {r["sample_id"] for r in _verdicts(folder) if r["outcome"] == "kept"}
    fresh = tree(_made(tmp_path_factory.mktemp("fresh"), count=count + more))
    assert {n: s for n, s in tree(folder).items() if n.startswith("dataset/")} == {
        n: s for n, s in fresh.items() if n.startswith("dataset/")
    }


def test_each_style_gets_the_val_samples_that_the_recipe_asks_for(tmp_path):
    index = Dataset(_made(tmp_path, val__per_style=6)).index
    assert index.counted("style", "split", outcome="kept") == {(s, split): 6 for s in ("ink", "stick") for split in ("train", "val")}
    assert index.planned > 36  # in a round of their own


@examples(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 30), st.floats(0.1, 2))
def test_packing_changes_the_grouping_and_nothing_else(packed, samples, megabytes):
    folder, whole = packed
    poses = _below(tree(folder), "poses")
    _made(folder, shards__samples=samples, shards__megabytes=megabytes)
    assert _below(tree(folder), "poses") == poses
    assert _sequence(folder) == whole
    shards = Dataset(folder).index.shards
    assert all(s.samples <= samples and (s.bytes <= megabytes * 1e6 or s.samples == 1) for s in shards)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = _made(tmp_path_factory.mktemp("packed"))
    return folder, _sequence(folder)


def test_a_shard_is_closed_before_it_grows_too_large():
    select = Select(Pipeline(recipe(shards__samples=3, shards__megabytes=0.2), SPECS).configs["select"])
    assert select._cut([1_000] * 7) == [0, 0, 0, 1, 1, 1, 2]
    assert select._cut([100_000, 1_000, 900_000, 1_000]) == [0, 1, 2, 3]
    assert select._cut([]) == []


def test_samples_are_mixed_the_same_way_everywhere(packed):
    index = json.loads((packed[0] / "dataset/dataset.json").read_bytes())
    assert [s["shard"] for s in index["shards"]] == sorted(s["shard"] for s in index["shards"])
    names = [name.partition(".")[0] for name, _ in packed[1]["train"][::3]]
    assert names == sorted(names, key=lambda name: order_key(recipe().seed, name)) != sorted(names)
