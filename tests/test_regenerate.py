"""One sample drawn again, of runs that hold it whole, in part or not at all."""

import shutil

import pytest

from manifests.errors import UserError
from manifests.recipe_files import load_recipe
from pipeline.commit import marker_name, table_name
from pipeline.plan import Pipeline
from pipeline.regenerate import regenerate
from pipeline.run import run
from pipeline.store import Store
from pipeline.tables import Reader

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
