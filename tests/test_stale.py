"""A changed field is named, and only the stages that read it, and those after them, are made again."""

import json
import shutil
from pathlib import Path

import pytest

from manifests.recipe import Section
from manifests.recipe_files import load_recipe, parse_recipe
from pipeline.plan import Pipeline
from pipeline.run import run
from pipeline.status import frozen_recipe, status
from pipeline.store import Store
from pipeline.survey import DONE, STALE, Survey
from tests.conftest import tree

STAGES = ["poses", "projections", "sketches", "filter", "select", "shards", "index"]

# field -> (another value, the stages that read it)
CHANGES: dict[str, tuple[object, list[str]]] = {
    "name": ("other", ["index"]),
    "seed": (99, STAGES),
    "styles": (["charcoal", "stick", "ink"], ["select", "index"]),
    "partition_size": (4, ["poses"]),
    "body.path": ("{body}", ["projections", "sketches", "index"]),
    "split.val": (0.4, ["poses", "index"]),
    "val.per_style": (1, ["select", "index"]),
    "poses.count": (8, ["select"]),
    "poses.oversample": (1.0, []),
    "poses.sources": ([{"kind": "limits"}], ["poses", "index"]),
    "poses.captioner": ("{body}", ["poses", "index"]),
    "select.rounds": (5, []),
    "projections.size": (256, ["projections", "sketches", "index"]),
    "sketches.image_format": ("jpg", ["sketches", "index"]),
    "filter.ink.least": (0.005, ["filter", "index"]),
    "filter.ink.most": (0.9, ["filter", "index"]),
    "filter.ink.border": (0.5, ["filter", "index"]),
    "filter.detector": ("{body}", ["filter", "index"]),
    "filter.calibration": ("{body}", ["filter", "index"]),
    "filter.dtype": ("bfloat16", ["filter", "index"]),
    "shards.samples": (3, ["select", "index"]),
    "shards.megabytes": (100.0, ["select", "index"]),
    "card.title": ("Drawings", ["index"]),
    "card.licence": ("CC-BY-4.0", ["index"]),
    "card.creators": (["A. Nybody"], ["index"]),
    "card.url": ("https://example.org", ["index"]),
    "card.published": ("2026-01-31", ["index"]),
    "run.workers": (7, []),
    "run.timeout_s": (9.0, []),
    "run.timeout_per_sample_s": (9.0, []),
    "run.failed_ceiling": (0.5, []),
    "run.log_level": ("debug", []),
    "run.device": ("auto", []),
    "run.recycle_after": (3, []),
    "plan.bytes_per_sample": (5, []),
    "plan.seconds_per_sample": ({"poses": 9.0}, []),
    "estimator.steps": (7, []),
    "estimator.size": (96, []),
    "estimator.width": (16, []),
    "estimator.batch": (2, []),
    "estimator.lr": (0.1, []),
    "estimator.checkpoint_every": (9, []),
    "estimator.model": ("global", []),
    "estimator.groups": (4, []),
    "estimator.ema": (0.9, []),
    "estimator.dtype": ("bfloat16", []),
    "estimator.losses": ("paper", []),
    "estimator.weights": ({"heat": 2.0}, []),
    "estimator.workers": (1, []),
    "estimator.styles": (["charcoal"], []),
    "estimator.without": (["pooling"], []),
    "estimator.generator": ("{body}", []),
    "estimator.detector": ("{body}", []),
    "estimator.samples": (5, []),
    "estimator.start": ("bundled", []),
    "estimator.codes": ("{body}", []),
    "sketches.source": ("mix", ["sketches", "index"]),
    "sketches.rendered_share": (0.3, ["sketches", "index"]),
    "sketches.diffusion.model": ("{body}", ["sketches", "index"]),
    "sketches.diffusion.hub": (None, []),  # with its revision alone
    "sketches.diffusion.revision": ("0" * 40, ["sketches", "index"]),
    "sketches.diffusion.online": (True, []),
    "sketches.diffusion.controlnet": ("{body}", ["sketches", "index"]),
    "sketches.diffusion.tiny_vae": ("{body}", ["sketches", "index"]),
    "sketches.diffusion.condition": ("skeleton", ["sketches", "index"]),
    "sketches.diffusion.colours": ("openpose", ["sketches", "index"]),
    "sketches.diffusion.steps": (4, ["sketches", "index"]),
    "sketches.diffusion.guidance": (3.0, ["sketches", "index"]),
    "sketches.diffusion.batch": (2, ["sketches", "index"]),
    "sketches.diffusion.dtype": ("bfloat16", ["sketches", "index"]),
    "sketches.diffusion.device": ("cuda", ["sketches", "index"]),
    "sketches.diffusion.compile": (True, ["sketches", "index"]),
}
OTHER_VALUES = {  # sections read as a whole
    "poses": ["poses", "index"], "projections": ["projections", "index"], "filter": ["filter", "index"], "select": ["select"],
}  # fmt: skip


def _fields(section, prefix=""):
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _fields(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _change(field, value):
    """A value for a field that CHANGES does not list, and the stages that read it."""
    readers = OTHER_VALUES[field.split(".")[0]]
    if value is None or isinstance(value, bool):
        return (0.5 if value is None else not value), readers
    if isinstance(value, dict):
        return {**value, next(iter(value)): 9.0}, readers
    if isinstance(value, tuple):
        return [value[0] * 0.9, value[1]], readers
    return None if isinstance(value, str) else value * 0.5, readers


@pytest.fixture(scope="module")
def made(tmp_path_factory, smoke_run):
    """A copy of the smoke run that tests may change."""
    return shutil.copytree(smoke_run, tmp_path_factory.mktemp("stale") / "run")


@pytest.mark.parametrize("field", [f for f, _ in _fields(load_recipe("smoke"))])
def test_each_field_makes_stale_what_reads_it(made, field, tmp_path):
    recipe = load_recipe("smoke", ["run.workers=0"])
    value, readers = CHANGES.get(field) or _change(field, dict(_fields(recipe))[field])
    if value is None:
        pytest.skip(f"{field} has one value only")
    if value == "{body}":
        value = str(_other_body(tmp_path))
    changed = Pipeline(load_recipe("smoke", ["run.workers=0", f"{field}={json.dumps(value)}"]))
    survey = Survey(changed, Store(str(made)))
    first = {u.stage: survey.state(u) for u in survey.units() if survey.state(u).lineage}
    named = [s for s in STAGES if s in first and first[s].kind == STALE and _names(first[s].why, field)]
    if not readers:
        assert all(state.kind == DONE for state in first.values())
        return
    assert named[:1] == readers[:1] and set(named) <= set(readers)
    done = [s for s in STAGES if s in first and first[s].kind == DONE]
    assert done == STAGES[: len(done)] == STAGES[: STAGES.index(readers[0])]


def _names(why: str, field: str) -> bool:
    """Whether a field, or one of the parts that it is made of, is among those that changed."""
    return any(part.startswith((f"{field}:", f"{field}.")) for part in why.split(", "))


def _other_body(folder: Path) -> Path:
    """The bundled body, with one more byte at the end of its zip: the same body, another content."""
    bundled = Path("stages/body/data/body.npz")
    copy = folder / "body.npz"
    copy.write_bytes(bundled.read_bytes())
    return copy


def test_only_the_right_stages_are_made_again(made):
    before = tree(made)
    run(load_recipe("smoke", ["run.workers=0", "filter.ink.border=0.5"]), str(made), quiet=True)
    units = [json.loads(line) for line in sorted(made.glob("events/*.jsonl"))[-1].read_text().splitlines()]
    assert {e["stage"] for e in units if e["event"] == "unit"} == {"filter", "select", "shards", "index"}
    run(load_recipe("smoke", ["run.workers=0"]), str(made), quiet=True)
    assert tree(made) == before


def test_other_bytes_behind_a_path_are_noticed(made, tmp_path):
    body = _other_body(tmp_path)
    recipe = load_recipe("smoke", ["run.workers=0", f"body.path={body}", "poses.count=2"])
    run(recipe, str(tmp_path / "run"), quiet=True, until="projections")
    assert status(Pipeline(recipe), Store(str(tmp_path / "run")))["projections"].counts[STALE] == 0
    body.write_bytes(body.read_bytes() + b"\0")
    why = status(Pipeline(recipe), Store(str(tmp_path / "run")))["projections"].why
    assert len(why) == 1 and next(iter(why)).startswith("body.path: sha256:")


def test_the_frozen_recipe_is_what_was_run(made):
    recipe = frozen_recipe(Store(str(made)))
    assert recipe == parse_recipe((made / "recipe.yaml").read_text(), "again")
    assert all(s.counts[STALE] == 0 for s in status(Pipeline(recipe), Store(str(made))).values())
