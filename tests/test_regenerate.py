"""One sample drawn again, of runs that hold it whole, in part or not at all."""

import shutil

import pytest
import torch

from manifests.dataset import Dataset
from manifests.errors import UserError
from manifests.recipe_files import load_recipe
from pipeline.cli import regenerate as regenerate_command
from pipeline.commit import marker_name, table_name
from pipeline.plan import Pipeline
from pipeline.regenerate import regenerate
from pipeline.run import run
from pipeline.store import Store
from pipeline.tables import Reader
from pipeline.verify import clean_run
from stages.shards.find import find_sample

UNIT = "stick-p00000"
# Large heads on short limbs, so that projections too has some to reject.
CHANGES = ["styles=[stick]", "poses.count=16", "partition_size=16", "projections.proportions={chibi: 1}", "projections.penetration_m=0.01"]
RECIPE = load_recipe("smoke", ["run.workers=0", *CHANGES])
PIPELINE = Pipeline(RECIPE)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regenerate") / "run"
    run(RECIPE, str(folder), quiet=True, until="sketches")
    return folder


@pytest.fixture
def store(drawn, tmp_path):
    return Store(str(shutil.copytree(drawn, tmp_path / "run")))


def _ids(store, stage):
    return Reader(PIPELINE, store).ids(PIPELINE.by_name[stage], UNIT)


def test_a_sample_that_was_drawn_has_the_bytes_of_the_run(store):
    assert regenerate(PIPELINE, store, _ids(store, "sketches")[0]).same is True


def test_of_a_rejected_sample_the_run_has_no_picture(store):
    rejected = sorted({*_ids(store, "projections")} - {*_ids(store, "sketches")})
    done = regenerate(PIPELINE, store, rejected[0])
    assert done.same is None and store.exists(done.name)


def test_of_a_unit_without_a_whole_marker_or_table_the_run_has_no_picture(store):
    sample_id, marker = _ids(store, "sketches")[0], marker_name("sketches", UNIT)
    whole = store.read(marker)
    store.write(marker, whole[:40])
    assert regenerate(PIPELINE, store, sample_id).same is None
    store.write(marker, whole)
    store.remove(table_name("sketches", UNIT))
    assert regenerate(PIPELINE, store, sample_id).same is None


@pytest.mark.parametrize("stage", ["poses", "projections"])
def test_without_a_table_the_labels_are_made_again(store, stage):
    """So a run that was cleaned gives back any sample."""
    sample_id = _ids(store, "sketches")[0]
    pose = regenerate(PIPELINE, store, sample_id).pose
    store.remove(table_name(stage, UNIT))
    done = regenerate(PIPELINE, store, sample_id)
    assert done.same is True and (done.pose == pose).all()


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_generated_picture_has_the_same_bytes_whatever_draws_it(tmp_path, two_threads):
    """In a worker process, in the launcher itself, and alone: torch's last digits depend on the number of its threads."""
    changes = ["styles=[ink]", "poses.count=2", "partition_size=2", "sketches.source=diffusion"]
    folders = []
    for workers in (1, 0):
        recipe, folder = load_recipe("smoke", [f"run.workers={workers}", *changes]), tmp_path / str(workers)
        run(recipe, str(folder), quiet=True, until="sketches")
        folders.append(Store(str(folder)))
        torch.set_num_threads(2)
    assert folders[0].read(table_name("sketches", "ink-p00000")) == folders[1].read(table_name("sketches", "ink-p00000"))
    assert regenerate(Pipeline(recipe), folders[0], "ink-000000").same is True


def test_a_sample_that_is_not_of_the_run_is_named(store):
    for sample_id in ("stick-7", "stick-²", "stick-0000007", "stick--00001", "stick", "ink-000000"):
        with pytest.raises(UserError, match=f"{sample_id}: not a sample id of this recipe; expected one such as stick-000000"):
            regenerate(PIPELINE, store, sample_id)
    with pytest.raises(UserError, match=r"stick-999999: not among the samples that .* is to hold"):
        regenerate(PIPELINE, store, "stick-999999")


def test_in_a_cleaned_run_the_shard_is_compared_with(store, capsys):
    run(RECIPE, store.url, quiet=True)
    clean_run(PIPELINE, store)
    assert not store.exists(table_name("sketches", UNIT))
    dataset = Dataset(store.url)
    kept = [i for i in (f"stick-{n:06d}" for n in range(dataset.index.planned)) if find_sample(dataset, i)]
    assert len(kept) == dataset.index.samples > 0
    regenerate_command(store.url, kept[0])
    assert "the same bytes as in the run" in capsys.readouterr().out
    assert regenerate(PIPELINE, store, kept[0], lambda _: b"another").same is False


def test_a_sample_that_an_early_stage_rejects_is_said_to_be(store):
    rejected = sorted({*_ids(store, "projections")} - {*_ids(store, "sketches")})
    store.remove(table_name("projections", UNIT))
    with pytest.raises(UserError, match=f"{rejected[0]}: rejected by the stage projections: body passes through itself"):
        regenerate(PIPELINE, store, rejected[0])


@pytest.mark.parametrize("stage", ["projections", "sketches"])
def test_a_damaged_table_is_named(store, stage):
    sample_id = _ids(store, "sketches")[0]
    store.write(table_name(stage, UNIT), b"PAR1")
    with pytest.raises(UserError, match=f"{table_name(stage, UNIT)} is damaged; `skep verify .* --drop-damaged`"):
        regenerate(PIPELINE, store, sample_id)
