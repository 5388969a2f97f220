"""The ablations: every variant is a recipe, the table says what differs, and a small one runs to its end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from estimator.ablations import METRICS, RECIPE, _plan, table, variants
from manifests.recipe_files import load_recipe
from manifests.skeleton import STYLES

ROOT = Path(__file__).parents[2]


def test_every_variant_is_a_recipe_and_differs_from_its_model():
    known = variants()
    assert len({v.name for v in known}) == len(known)
    for variant in known:
        changes = [*_plan()["data"][variant.data], *_plan()["training"], *variant.training]
        recipe = load_recipe(RECIPE, changes)
        base = load_recipe(RECIPE, _plan()["training"])
        assert (recipe == base) == (not variant.of), variant.name
    assert {v.judged for v in known} == {STYLES, *((style,) for style in STYLES)}


def test_the_table_marks_what_is_not_chance():
    names = {"pose2pose": (50.0, 48.0, 52.0), "without contact": (3.0, 1.0, 5.0), "without depth": (-1.0, -3.0, 1.0)}
    measured = {name: {m: dict(zip(("value", "low", "high"), v, strict=True)) for m in METRICS} for name, v in names.items()}
    lines = table(measured, variants()).splitlines()[2:]
    assert lines[0].startswith("| **pose2pose** | 50.0 (48.0 to 52.0) |")
    assert lines[1].startswith("| without depth | -1.0 (-3.0 to +1.0) | -1.0 (-3.0 to +1.0) | -1.000 (-3.000 to +1.000) |")
    assert lines[2].startswith("| without contact | **+3.0 (+1.0 to +5.0)** |")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_one_runs_to_its_end_and_goes_on(dataset, tmp_path):
    small = ("poses.count=18", "partition_size=18", "split.val=0.3", "sketches.source=renderer", "estimator.steps=2", "estimator.size=64")
    given = [word for change in small for word in ("--set", change)]
    only = ["--only", "without contact", "--only", "without the filter"]
    command = [sys.executable, "-m", "estimator.ablations", str(tmp_path), "--held-out", str(dataset), *only, *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert list(told) == ["pose2pose", only[1], only[3]]  # what needs no drawings of its own comes first
    assert told["pose2pose"]["pa_mpjpe"]["value"] > 0 and table(told, variants()) in done.stdout
    assert not (tmp_path / "ablations.md").exists()  # a part is not written over the whole
    kept, own = (sorted((tmp_path / "data" / data / "sketches").glob("*.parquet")) for data in ("base", "unfiltered"))
    assert kept and all(a.samefile(b) for a, b in zip(kept, own, strict=True))  # only the filter was done again
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.stdout.count("trained already") == 3 and json.loads(again.stdout.splitlines()[-1]) == told
