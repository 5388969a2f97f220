"""The frame: same bytes whatever carried the work, rounds, growth, refusals."""

import hashlib
import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import UserError
from manifests.recipe_files import load_recipe
from pipeline.commit import digest_of, digest_of_list
from pipeline.cost import cost
from pipeline.lock import RunLock
from pipeline.plan import Pipeline
from pipeline.run import run
from pipeline.status import status
from pipeline.store import Store
from pipeline.survey import Survey
from pipeline.verify import clean_run, verify
from pipeline.work import rejected_in
from tests.conftest import tree
from tests.toy import SPECS, specs, toy_recipe


def _run(folder, recipe=None, **more):
    return run(recipe or toy_recipe(run__workers=0), str(folder), SPECS, quiet=True, **more)


def _outcomes(folder):
    rows = pq.read_table(folder / "dataset/verdicts/000000.parquet").to_pylist()
    return {r["sample_id"]: r["outcome"] for r in rows}


def test_what_a_recipe_will_take():
    rates = "plan.seconds_per_sample={poses: 3.6, projections: 0, sketches: 0, filter: 0, select: 0, shards: 0, index: 36}"
    recipe = load_recipe("demo", ["poses.count=600", "shards.samples=100", "split.val=0.2", "plan.bytes_per_sample=50000", rates])
    asked = cost(Pipeline(recipe), None)
    assert (asked.samples, asked.shards, asked.gigabytes, asked.gpu_hours, asked.measured) == (600, 5 + 2, 0.03, 0, ())
    assert asked.planned == asked.partitions * recipe.partition_size >= 600 * recipe.poses.oversample
    assert asked.cpu_hours == pytest.approx((asked.planned * 3.6 + 7 * 36) / 3600)
    held_out = load_recipe("demo", ["poses.count=600", "shards.megabytes=1", "val.per_style=20", "plan.bytes_per_sample=50000"])
    assert cost(Pipeline(held_out), None).shards == 480 // 20 + 120 // 20  # of a megabyte each
    sizes = [["projections.size=256"], ["projections.size=512"], ["projections.size=512", "sketches.image_format=jpg"]]
    small, large, squeezed = (cost(Pipeline(load_recipe("demo", ["poses.count=600", *size])), None).gigabytes for size in sizes)
    assert 3 * small < large < 4 * small and small / 2 < squeezed < small
    on_gpu = load_recipe("demo", ["poses.count=600", "sketches.diffusion.device=cuda", "plan.seconds_per_sample={sketches: 6}"])
    asked = cost(Pipeline(on_gpu), None)
    usual = cost(Pipeline(load_recipe("demo", ["poses.count=600"])), None).seconds
    assert asked.seconds == usual | {"sketches": 6}  # a recipe that names some rates leaves the others as they are
    assert asked.gpu_hours == pytest.approx(asked.planned * 6 / 3600) and asked.cpu_hours > 0


def test_workers_and_order_change_no_byte(tmp_path):
    _run(tmp_path / "0")
    for workers in (1, 2, 4):
        _run(tmp_path / str(workers), toy_recipe(run__workers=workers), shuffle=workers)
        assert tree(tmp_path / str(workers)) == tree(tmp_path / "0")


def test_every_planned_sample_has_one_verdict(tmp_path):
    summary = _run(tmp_path)
    planned = {i for p in Pipeline(toy_recipe(), SPECS).base_partitions() for i in p.rows()["sample_id"].to_pylist()}
    assert set(_outcomes(tmp_path)) == planned
    assert sum(summary.outcomes.values()) == len(planned)
    assert summary.outcomes["kept"] == 30 and summary.outcomes["rejected"] > 0


def test_second_launch_does_nothing(tmp_path):
    assert _run(tmp_path).units > 0
    before = tree(tmp_path)
    assert _run(tmp_path).units == 0
    assert tree(tmp_path) == before


def test_growth_redoes_no_partition(tmp_path):
    _run(tmp_path)
    before = {name: sha for name, sha in tree(tmp_path).items() if name.startswith(("poses/", "sketches/"))}
    _run(tmp_path, toy_recipe(poses__count=60, run__workers=0))
    after = tree(tmp_path)
    assert before.items() <= after.items()
    assert list(_outcomes(tmp_path).values()).count("kept") == 60
    _run(tmp_path / "fresh", toy_recipe(poses__count=60, run__workers=0))
    fresh = tree(tmp_path / "fresh")
    assert {n: s for n, s in after.items() if n.startswith(("dataset/", "shards/"))} == {
        n: s for n, s in fresh.items() if n.startswith(("dataset/", "shards/"))
    }


def test_shrinking_takes_surplus_shards_away(tmp_path):
    _run(tmp_path)
    _run(tmp_path, toy_recipe(poses__count=10, run__workers=0))
    listed = {p.name for p in (tmp_path / "dataset").glob("*.tar")}
    assert listed == {f"{p.name.removesuffix('.done.json')}.tar" for p in (tmp_path / "shards").glob("*.done.json")}
    assert not list(verify(Pipeline(toy_recipe(poses__count=10), SPECS), Store(str(tmp_path))))


def test_short_styles_get_another_round(tmp_path):
    recipe = toy_recipe(poses__count=40, poses__oversample=1, run__workers=0)
    summary = _run(tmp_path, recipe)
    assert summary.outcomes["kept"] == 40
    assert (tmp_path / "select/round-1.done.json").exists()
    assert _run(tmp_path, recipe).units == 0
    stages = status(Pipeline(recipe, SPECS), Store(str(tmp_path)))  # each unit counts once, whatever the round
    assert all(entry.counts == {"done": len(list((tmp_path / name).glob("*.done.json")))} for name, entry in stages.items())


def test_a_digest_bit_by_bit_is_the_digest_of_the_whole():
    names = ["a", 'quoted "b"', "ü"]
    assert digest_of_list(iter(names)) == digest_of(names)
    assert digest_of_list(iter(names), b'[{"x":1},"u",[', b"]]") == digest_of([{"x": 1}, "u", names])
    units = list(Survey(Pipeline(toy_recipe(), SPECS), Store("memory://nothing")).units())
    for unit in units:
        declared = json.loads(unit.declared)
        assert unit.fingerprint == digest_of([declared, unit.name, [u.fingerprint for u in unit.upstream]])


def test_rounds_end_at_their_ceiling(tmp_path):
    recipe = toy_recipe(poses__count=40, poses__oversample=1, select__rounds=0, run__workers=0)
    assert _run(tmp_path, recipe).outcomes["kept"] < 40


def test_until_stops_after_a_stage_and_goes_on(tmp_path):
    _run(tmp_path, until="poses")
    assert (tmp_path / "poses").exists() and not (tmp_path / "sketches").exists()
    _run(tmp_path)
    _run(tmp_path / "whole")
    whole = {n: s for n, s in tree(tmp_path).items() if not n.startswith("whole/")}
    assert whole == tree(tmp_path / "whole")


def test_unknown_stage_is_named(tmp_path):
    with pytest.raises(UserError, match="no stage is called dreams; there are poses"):
        _run(tmp_path, until="dreams")


def test_second_launcher_is_told_who_holds_the_folder(tmp_path):
    with RunLock(Store(str(tmp_path))), pytest.raises(UserError, match=f"process {os.getpid()} on "):
        _run(tmp_path)
    _run(tmp_path)


def test_a_dead_launcher_leaves_no_lock(tmp_path):
    take = f"RunLock(Store({str(tmp_path)!r})).__enter__()"
    code = f"import os; from pipeline.lock import RunLock; from pipeline.store import Store; {take}; os._exit(1)"
    subprocess.run([sys.executable, "-c", code])
    assert (tmp_path / "lock").read_text()
    _run(tmp_path)


def test_memory_store_holds_the_same_bytes(tmp_path):
    _run(tmp_path)
    url = f"memory://{tmp_path.name}"
    _run(url)
    store = Store(url)
    for name, sha in tree(tmp_path).items():
        assert hashlib.sha256(store.read(name)).hexdigest() == sha, name


def test_clean_keeps_the_dataset_and_growth_redoes_what_it_needs(tmp_path):
    _run(tmp_path)
    pipeline, store = Pipeline(toy_recipe(), SPECS), Store(str(tmp_path))
    shards = {n: s for n, s in tree(tmp_path).items() if n.startswith("dataset/")}
    assert clean_run(pipeline, store) > 0
    assert not list((tmp_path / "sketches").glob("*.parquet"))
    assert not list(verify(pipeline, store))
    assert _run(tmp_path).units == 0
    _run(tmp_path, toy_recipe(poses__count=60, run__workers=0))
    _run(tmp_path, toy_recipe(run__workers=0))
    assert {n: s for n, s in tree(tmp_path).items() if n.startswith("dataset/")} == shards


def _cleaned(folder, recipe):
    _run(folder, recipe)
    clean_run(Pipeline(recipe, SPECS), Store(str(folder)))


def test_after_clean_another_title_makes_the_index_alone(tmp_path):
    _cleaned(tmp_path, toy_recipe(run__workers=0))
    titled = toy_recipe(card__title="Drawings", run__workers=0)
    stages = status(Pipeline(titled, SPECS), Store(str(tmp_path)))
    assert sum(s.counts.total() - s.counts["done"] for s in stages.values()) == 1
    assert _run(tmp_path, titled).units == 1
    _run(tmp_path / "fresh", titled)
    assert _dataset(tmp_path) == _dataset(tmp_path / "fresh")


def test_a_cleaned_run_that_grows_says_that_all_is_made_again(tmp_path):
    _cleaned(tmp_path, toy_recipe(run__workers=0))
    stages = status(Pipeline(toy_recipe(poses__count=60), SPECS), Store(str(tmp_path)))
    assert stages["sketches"].counts["done"] == 0 and stages["sketches"].why["poses is redone"] > 0


@pytest.mark.parametrize("count", [30, 60])
def test_a_cleaned_run_retries_and_grows(tmp_path, count):
    mend, bad = tmp_path / "mended", tmp_path / "bad.json"
    bad.write_text(json.dumps({"raise_without": [str(mend), ["ink-000003"]]}))
    settings = {"body__path": str(bad), "run__workers": 0, "run__failed_ceiling": 0.5}
    _cleaned(tmp_path / "run", toy_recipe(**settings))
    mend.touch()
    grown = toy_recipe(poses__count=count, **settings)
    for folder in ("run", "fresh"):
        assert "failed" not in _run(tmp_path / folder, grown, retry_failed=True).outcomes
    assert _dataset(tmp_path / "run") == _dataset(tmp_path / "fresh")


def test_verify_finds_damage_and_a_run_mends_it(tmp_path):
    _run(tmp_path)
    good, pipeline, store = tree(tmp_path), Pipeline(toy_recipe(), SPECS), Store(str(tmp_path))
    for name in ("dataset/train-000000.tar", "sketches/ink-p00000.parquet", "poses/kids-p00000.done.json"):
        data = bytearray((tmp_path / name).read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / name).write_bytes(data)
        problems = list(verify(pipeline, store, drop=True))
        assert any(name.split("/")[1].split(".")[0] in p for p in problems), name
        _run(tmp_path)
        assert tree(tmp_path) == good
    (tmp_path / "dataset/val-000000.tar").unlink()
    assert list(verify(pipeline, store)) == ["dataset/val-000000.tar is missing"]


def test_drop_damaged_leaves_units_that_are_only_stale(tmp_path):
    _run(tmp_path)
    before, stale = tree(tmp_path), Pipeline(toy_recipe(card__title="Drawings"), SPECS)
    assert "card.title" in " ".join(verify(stale, Store(str(tmp_path)), drop=True))
    assert tree(tmp_path) == before


def test_drop_damaged_is_told_who_holds_the_folder(tmp_path):
    _run(tmp_path)
    with RunLock(Store(str(tmp_path))), pytest.raises(UserError, match=f"process {os.getpid()} on "):
        list(verify(Pipeline(toy_recipe(), SPECS), Store(str(tmp_path)), drop=True))


@pytest.mark.parametrize("sketches", ["Blobs", "Gpu", "Unready"])
def test_a_launch_that_cannot_begin_leaves_recipe_and_dataset(tmp_path, sketches, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    folder = tmp_path / "run"
    _run(folder)
    before = {**tree(folder), "recipe": (folder / "recipe.yaml").read_text()}
    wrong = {"Blobs": {"body__path": str(tmp_path / "tpyo.npz")}, "Gpu": {"run__device": "cuda", "poses__count": 60}}.get(sketches, {})
    with pytest.raises(UserError, match=r"cannot read|needs a GPU"):
        run(toy_recipe(run__workers=0, **wrong), str(folder), specs(sketches), quiet=True)
    assert {**tree(folder), "recipe": (folder / "recipe.yaml").read_text()} == before


def test_processes_of_one_machine_do_not_share_its_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with pytest.raises(
        UserError, match=r"stage sketches: each of run\.workers=3 processes would load its model onto one GPU; --executor ray"
    ):
        run(toy_recipe(run__workers=3, run__device="cuda"), str(tmp_path), specs("Gpu"), quiet=True)


def test_a_dataset_stays_whole_until_its_shards_are_made_again(tmp_path):
    _run(tmp_path)
    before = _dataset(tmp_path)
    other = toy_recipe(poses__count=10, run__workers=0)
    _run(tmp_path, other, until="select")
    assert _dataset(tmp_path) == before
    _run(tmp_path, other, until="shards")
    assert not (tmp_path / "dataset/dataset.json").exists()


def test_clean_goes_on_after_a_kill(tmp_path):
    recipe = toy_recipe(run__workers=0)
    _run(tmp_path, recipe)
    (table,) = sorted(tmp_path.glob("sketches/ink-p00000.parquet"))
    data = table.read_bytes()
    assert clean_run(Pipeline(recipe, SPECS), Store(str(tmp_path))) > 0
    table.write_bytes(data)  # as if killed between the marker's word and the deed
    assert clean_run(Pipeline(recipe, SPECS), Store(str(tmp_path))) == len(data) and not table.exists()
    assert clean_run(Pipeline(recipe, SPECS), Store(str(tmp_path))) == 0


def test_a_stage_counts_what_it_rejects_itself():
    assert rejected_in(pa.table({"value": [1, 2]}), "poses") == 0
    assert rejected_in(pa.table({"reason": ["", "too small", "unlucky"]}), "filter") == 2
    rows = [("kept", "", ""), ("rejected", "filter", "x"), ("rejected", "select", "a copy"), ("failed", "select", "x"), ("surplus", "", "")]
    outcome, stage, reason = map(list, zip(*rows, strict=True))
    assert rejected_in(pa.table({"outcome": outcome, "stage": stage, "reason": reason}), "select") == 1
    empty = pa.schema(dict.fromkeys(("outcome", "stage", "reason"), pa.string())).empty_table()
    assert rejected_in(empty, "select") == 0


def test_clean_takes_tables_that_no_recipe_asks_for(tmp_path):
    _run(tmp_path)
    one = toy_recipe(styles=["ink"], poses__count=15, run__workers=0)
    _run(tmp_path, one)
    (tmp_path / "sketches/kids-p00000.done.json").write_text("{")
    clean_run(Pipeline(one, SPECS), Store(str(tmp_path)))
    assert [p.name for p in tmp_path.glob("*/kids-*.parquet")] == ["kids-p00000.parquet"]  # nobody vouches for that one


def test_a_cleaned_folder_refuses_nothing_damaged(tmp_path):
    _run(tmp_path)
    (tmp_path / "dataset/train-000000.tar").write_bytes(b"")
    with pytest.raises(UserError, match=r"not cleaned, dataset/train-000000\.tar differs"):
        clean_run(Pipeline(toy_recipe(), SPECS), Store(str(tmp_path)))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write in this run folder"):
        _run(tmp_path / "file" / "run")


class Killed(BaseException):
    """As SIGKILL would, at a call: nothing after it happens."""


def _killed_at_removal(monkeypatch, suffix, before, start):
    """`start()`, which ends just before, or just after, the first removal of a file called like that."""
    remove = Store.remove

    def removed(self, name):
        if name.endswith(suffix) and before:
            raise Killed
        remove(self, name)
        if name.endswith(suffix):
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Store, "remove", removed)
        with pytest.raises(Killed):
            start()


@pytest.mark.parametrize(("suffix", "before"), [(".done.json", True), (".done.json", False), (".tar", True), (".tar", False)])
def test_a_kill_while_surplus_shards_go(tmp_path, monkeypatch, suffix, before):
    small = toy_recipe(poses__count=10, run__workers=0)
    _run(tmp_path / "fresh", small)
    _run(tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.run.prune", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            _run(tmp_path / "run", small)
    _killed_at_removal(monkeypatch, suffix, before, lambda: _run(tmp_path / "run", small))
    _run(tmp_path / "run", small)
    assert _dataset(tmp_path / "run") == _dataset(tmp_path / "fresh")


def _dataset(folder):
    return {name: sha for name, sha in tree(folder).items() if name.startswith("dataset/")}


@pytest.mark.parametrize("suffix", ["dataset.json", "index/all.done.json"])
def test_no_index_over_other_shards_after_a_kill(tmp_path, monkeypatch, suffix):
    small = toy_recipe(poses__count=10, run__workers=0)
    _run(tmp_path)
    _killed_at_removal(monkeypatch, suffix, False, lambda: _run(tmp_path, small))
    _run(tmp_path, small, until="shards")
    assert not (tmp_path / "dataset/dataset.json").exists()


@pytest.mark.parametrize("harm", ["damaged", "gone"])
def test_no_index_over_other_shards_without_its_marker(tmp_path, harm):
    _run(tmp_path)
    marker = tmp_path / "index/all.done.json"
    marker.write_bytes(b"{") if harm == "damaged" else marker.unlink()
    _run(tmp_path, toy_recipe(poses__count=10, run__workers=0), until="shards")
    assert not (tmp_path / "dataset/dataset.json").exists()


def test_an_index_that_is_gone_is_made_again(tmp_path):
    _run(tmp_path)
    before = tree(tmp_path)
    (tmp_path / "dataset/dataset.json").unlink()
    assert _run(tmp_path).units == 1
    assert tree(tmp_path) == before


def test_a_run_takes_away_nothing_that_is_not_its_own(tmp_path):
    _run(tmp_path)
    other = tmp_path / "other"
    mine = [tmp_path / "dataset/train-extra.tar", tmp_path / "notes/.draft.tmp", other / "poses/.oil-p00000.parquet.host.77.tmp"]
    left = tmp_path / "poses/.oil-p00000.parquet.host.77.tmp"
    for path in (*mine, left, other / "recipe.yaml"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    _run(tmp_path)
    assert all(path.exists() for path in mine) and not left.exists()
