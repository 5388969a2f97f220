"""Samples that raise, end their process or hang: exactly those are put aside, and the sum holds."""

import json

import pyarrow.parquet as pq
import pytest

from manifests.errors import UserError
from pipeline.plan import Pipeline
from pipeline.run import run
from pipeline.status import failures
from pipeline.store import Store
from tests.conftest import tree
from tests.toy import SPECS, toy_recipe

GUILTY = {"raise": ["ink-000003", "kids-000017"], "exit": ["ink-000031"], "hang": ["kids-000042"]}
WHOLE_UNIT = [f"ink-{i:06d}" for i in range(25)]  # some of these are rejected once they are drawn


def _recipe(tmp_path, bad, **more):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(bad))
    settings = {"run__workers": 2, "run__timeout_s": 2, "run__failed_ceiling": 0.05, **more}
    return toy_recipe(poses__count=160, partition_size=25, body__path=str(path), **settings)


def test_exactly_the_guilty_are_put_aside(tmp_path):
    recipe = _recipe(tmp_path, GUILTY)
    summary = run(recipe, str(tmp_path / "run"), SPECS, quiet=True)
    rows = {r["sample_id"]: r for r in failures(Pipeline(recipe, SPECS), Store(str(tmp_path / "run")))}
    assert sorted(rows) == sorted(i for ids in GUILTY.values() for i in ids)
    assert rows["ink-000003"]["reason"] == "ValueError: cannot draw ink-000003"
    assert rows["ink-000031"]["reason"] == "the process died with exit status 7"
    assert rows["kids-000042"]["reason"] == "timeout: more than 2 s"
    assert rows["ink-000003"]["digest"] == rows["kids-000017"]["digest"] != rows["ink-000031"]["digest"]
    verdicts = pq.read_table(tmp_path / "run/dataset/verdicts/000000.parquet").to_pylist()
    assert {r["sample_id"] for r in verdicts if r["outcome"] == "failed"} == set(rows)
    assert summary.outcomes["failed"] == 4 and sum(summary.outcomes.values()) == len(verdicts)


def test_innocents_are_as_they_would_have_been(tmp_path):
    run(_recipe(tmp_path, {"raise": GUILTY["raise"]}, run__workers=0), str(tmp_path / "a"), SPECS, quiet=True)
    run(_recipe(tmp_path, {}, run__workers=0), str(tmp_path / "b"), SPECS, quiet=True)
    a, b = (pq.read_table(tmp_path / f / "sketches/ink-p00000.parquet") for f in "ab")
    kept = [i != "ink-000003" for i in b["sample_id"].to_pylist()]
    assert a.equals(b.filter(kept))


def test_a_unit_that_is_always_killed_from_outside_ends_the_run_and_blames_nobody(tmp_path):
    recipe = _recipe(tmp_path, {"kill": ["ink-000003"]}, run__workers=1)
    with pytest.raises(UserError, match=r"stage sketches, unit ink-p00000: its process was killed 8 times from outside"):
        run(recipe, str(tmp_path / "run"), SPECS, quiet=True)
    assert sorted((tmp_path / "run").glob("poses/*.done.json"))
    assert not [*(tmp_path / "run").rglob("*.failed.parquet"), *(tmp_path / "run").rglob("*.tmp")]


def test_a_kill_from_outside_blames_nobody(tmp_path):
    flags = tmp_path / "flags"
    flags.mkdir()
    recipe = _recipe(tmp_path, {"kill_once": str(flags)}, run__workers=1)
    (tmp_path / "calm.json").write_text("{}")
    for i in range(200):
        if i not in (30, 60):
            (flags / f"ink-{i:06d}").touch()
            (flags / f"kids-{i:06d}").touch()
    summary = run(recipe, str(tmp_path / "run"), SPECS, quiet=True)
    assert len(list(flags.iterdir())) == 400  # the stage was really killed at each of the four
    assert summary.outcomes.get("failed", 0) == 0


def test_a_gpu_that_fails_blames_nobody(tmp_path, capfd):
    faulty = _recipe(tmp_path, {"gpu_fails_once": str(tmp_path / "flag")}, run__workers=1)
    summary = run(faulty, str(tmp_path / "run"), SPECS, quiet=True)
    said = "skep: stage sketches, unit ink-p00000: CUDA error: an illegal memory access was encountered; trying again in a new process"
    assert capfd.readouterr().err.count(said) == 1
    assert summary.outcomes.get("failed", 0) == 0
    assert not list((tmp_path / "run").rglob("*.failed.parquet"))


def test_past_the_ceiling_the_run_stops_with_a_sentence(tmp_path):
    recipe = _recipe(tmp_path, {"raise": [f"ink-{i:06d}" for i in range(10)]}, run__workers=0, run__failed_ceiling=0.01)
    with pytest.raises(UserError, match=r"10 of 250 samples failed, more than run.failed_ceiling allows \(1.00%\).*--retry-failed"):
        run(recipe, str(tmp_path / "run"), SPECS, quiet=True)


def test_a_run_past_the_ceiling_stops_each_launch(tmp_path):
    recipe = _recipe(tmp_path, {"raise": ["ink-000003", "kids-000017"]}, run__workers=0, run__failed_ceiling=0.005)
    with pytest.raises(UserError, match=r"2 of 250 samples failed.*; the last in stage sketches, unit kids-p00000"):
        run(recipe, str(tmp_path / "run"), SPECS, quiet=True)
    made = sorted((tmp_path / "run").rglob("*.done.json"))
    with pytest.raises(UserError, match=r"2 of 250 samples failed, more than run.failed_ceiling allows \(0.50%\); `skep status`"):
        run(recipe, str(tmp_path / "run"), SPECS, quiet=True)
    assert sorted((tmp_path / "run").rglob("*.done.json")) == made


def test_a_finished_run_is_held_to_its_ceiling(tmp_path):
    run(_recipe(tmp_path, {"raise": GUILTY["raise"]}, run__workers=0), str(tmp_path / "run"), SPECS, quiet=True)
    strict = _recipe(tmp_path, {"raise": GUILTY["raise"]}, run__workers=0, run__failed_ceiling=0.005)
    with pytest.raises(UserError, match=r"2 of 250 samples failed"):
        run(strict, str(tmp_path / "run"), SPECS, quiet=True)


def test_retry_failed_reopens_them(tmp_path):
    recipe = _recipe(tmp_path, GUILTY | {"exit": [], "hang": []}, run__workers=0)
    run(recipe, str(tmp_path / "run"), SPECS, quiet=True)
    assert run(recipe, str(tmp_path / "run"), SPECS, quiet=True).units == 0
    again = run(recipe, str(tmp_path / "run"), SPECS, retry_failed=True, quiet=True)
    assert again.units > 0 and again.outcomes["failed"] == 2


def _planned_once(folder, recipe):
    """Whether every planned sample has one verdict."""
    planned = [i for p in Pipeline(recipe, SPECS).base_partitions() for i in p.rows()["sample_id"].to_pylist()]
    verdicts = pq.read_table(folder / "dataset/verdicts/000000.parquet")["sample_id"].to_pylist()
    return sorted(planned) == sorted(verdicts)


def _result(folder):
    return {name: sha for name, sha in tree(folder).items() if name.startswith(("dataset/", "sketches/"))}


def test_a_retry_that_succeeds_leaves_nothing_of_the_failures(tmp_path):
    mend = tmp_path / "mended"
    recipe = _recipe(tmp_path, {"raise_without": [str(mend), WHOLE_UNIT]}, run__workers=0, run__failed_ceiling=0.2)
    assert run(recipe, str(tmp_path / "run"), SPECS, quiet=True).outcomes["failed"] == 25
    mend.touch()
    assert "failed" not in run(recipe, str(tmp_path / "run"), SPECS, retry_failed=True, quiet=True).outcomes
    run(recipe, str(tmp_path / "fresh"), SPECS, quiet=True)
    assert _planned_once(tmp_path / "run", recipe) and _result(tmp_path / "run") == _result(tmp_path / "fresh")


def test_a_mended_file_leaves_nothing_of_the_failures(tmp_path):
    run(_recipe(tmp_path, {"raise": WHOLE_UNIT}, run__workers=0, run__failed_ceiling=0.2), str(tmp_path / "run"), SPECS, quiet=True)
    recipe = _recipe(tmp_path, {}, run__workers=0)
    for folder in ("run", "fresh"):
        run(recipe, str(tmp_path / folder), SPECS, quiet=True)
    assert _planned_once(tmp_path / "run", recipe) and _result(tmp_path / "run") == _result(tmp_path / "fresh")


def test_failures_that_no_marker_names_do_not_count(tmp_path):
    run(_recipe(tmp_path, {"raise": WHOLE_UNIT}, run__workers=0, run__failed_ceiling=0.2), str(tmp_path / "run"), SPECS, quiet=True)
    left = tmp_path / "run/sketches/ink-p00000.failed.parquet"
    data, recipe = left.read_bytes(), _recipe(tmp_path, {}, run__workers=0)
    run(recipe, str(tmp_path / "run"), SPECS, quiet=True)
    left.write_bytes(data)  # as where an older version was here
    (tmp_path / "run/select/round-0.done.json").unlink()
    run(recipe, str(tmp_path / "run"), SPECS, quiet=True)
    assert _planned_once(tmp_path / "run", recipe)


@pytest.mark.parametrize(
    ("kind", "stage", "words"),
    [
        ("Chosen", "Fatal", "select, unit round-0: the process died with exit status 7"),
        ("Tars", "Stuck", "shards, unit train-0.*: timeout: .*"),
    ],
)
def test_a_stage_without_samples_to_blame_dies_twice_at_most(tmp_path, kind, stage, words):
    specs = tuple(s.replace(f":{kind}", f":{stage}") for s in SPECS)
    with pytest.raises(UserError, match=f"stage {words}, twice"):
        run(toy_recipe(run__timeout_s=2), str(tmp_path), specs, quiet=True)


def test_a_stage_that_breaks_its_schema_stops_the_run(tmp_path, monkeypatch):
    from tests import toy

    monkeypatch.setattr(toy.Blobs, "process", lambda self, table, ctx: table)
    with pytest.raises(AssertionError, match="stage sketches returned"):
        run(toy_recipe(run__workers=0), str(tmp_path), SPECS, quiet=True)


def test_a_missing_file_of_the_recipe_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nobody\.json: cannot read"):
        run(toy_recipe(body__path=str(tmp_path / "nobody.json")), str(tmp_path / "run"), SPECS, quiet=True)


def test_two_launches_of_poison_agree(tmp_path):
    bad = GUILTY | {"hang": []}
    for name in "ab":
        run(_recipe(tmp_path, bad, run__workers=2 if name == "a" else 1), str(tmp_path / name), SPECS, quiet=True)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
