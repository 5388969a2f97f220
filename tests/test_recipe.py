"""Recipes: what is wrong is said in one sentence that names the file, the key and what was expected."""

from pathlib import Path

import pytest

from manifests.errors import UserError
from manifests.recipe import share_out
from manifests.recipe_files import bundled_recipes, dump_recipe, load_recipe, parse_recipe


@pytest.mark.parametrize("name", ["ablations", "demo", "skep-120k", "skep-120k-sd15", "smoke", "val-600"])
def test_bundled_recipes_are_sound_and_survive_freezing(name):
    assert name in bundled_recipes()
    recipe = load_recipe(name)
    assert parse_recipe(dump_recipe(recipe), "frozen") == recipe


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("poses.cuont=3", r"recipe demo: unknown key poses\.cuont; did you mean count\?"),
        ("wibble=3", r"recipe demo: unknown key wibble; expected one of name, seed"),
        ("poses.count=many", r"recipe demo: poses\.count: input should be a valid integer.*got 'many'"),
        ("poses.count=2", r"recipe demo: poses\.count: expected at least one sample a style, 6"),
        ("split.val=1.5", r"recipe demo: split\.val: .*less than or equal to 1, got 1\.5"),
        ("styles=[cubism]", r"recipe demo: styles\.0: .*'cartoon'.*got 'cubism'"),
        ("styles=[ink, ink]", "recipe demo: styles: expected at least one style, each once"),
        ("projections.fill=[0.9, 0.2]", r"recipe demo: projections\.fill: expected \[low, high\]"),
        ("filter.ink.least=0.99", r"recipe demo: filter\.ink: expected least < most"),
        ("val.per_style=61", r"recipe demo: val\.per_style: expected at most 60, the samples of a style"),
        ("seed=.nan", r"recipe demo: seed: "),
        ("poses.count", "--set poses.count: expected key=value"),
        ("name.first=a", "--set name.first=a: name is not a section"),
        ("poses.count=yes", r"recipe demo: poses\.count: input should be a valid integer, .*got 'yes'"),
        ("estimator.weights={heat: on}", r"recipe demo: estimator\.weights\.heat: input should be a valid number, .*got 'on'"),
        ("plan.seconds_per_sample.posse=3", r"recipe demo: plan\.seconds_per_sample\.posse.*: input should be 'poses'"),
        ("body.path=''", r"recipe demo: body\.path: expected a path, got ''"),
        ("seed=!!int abc", "--set seed=!!int abc: the value is not YAML"),
        ("seed=!!bool abc", "--set seed=!!bool abc: the value is not YAML"),
        ("seed=0x_", "--set seed=0x_: the value is not YAML"),
        ("poses.count=[", r"--set poses\.count=\[: the value is not YAML"),
    ],
)
def test_each_mistake_is_one_sentence(override, sentence):
    with pytest.raises(UserError, match=f"^{sentence}") as error:
        load_recipe("demo", [override])
    assert "\n" not in str(error.value)


def test_both_sides_need_sources():
    assert load_recipe("demo", ["val.per_style=60", "split.val=1"]).val.per_style == 60
    for share in (0, 1):
        with pytest.raises(UserError, match=r"recipe demo: split\.val: expected 0 < split.val < 1"):
            load_recipe("demo", ["val.per_style=9", f"split.val={share}"])


def test_files_that_are_no_recipes(tmp_path):
    (tmp_path / "a.yaml").write_text("name: [")
    (tmp_path / "b.yaml").write_text("- 1")
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "d.yaml").write_text("name: x")
    (tmp_path / "f.yaml").write_bytes(b"name: \0")
    (tmp_path / "g.yaml").write_text("name: " + "[" * 9999)
    for name, sentence in {
        "a.yaml": "not YAML, line 1",
        "b.yaml": "expected a mapping",
        "c.yaml": r"cannot read this recipe \(not text\)",
        "d.yaml": "poses is missing",
        "f.yaml": "not YAML: ",
        "g.yaml": "not YAML: maximum recursion depth",
        "e.yaml": r"cannot read this recipe \(No such file or directory\); bundled ones are ablations, demo, skep-120k",
    }.items():
        with pytest.raises(UserError, match=f"{name}: {sentence}"):
            load_recipe(str(tmp_path / name))


def test_overrides_reach_the_recipe():
    assert load_recipe("demo", ["poses.count=300", "run.workers=0"]).poses.count == 300


def test_keys_are_names_and_days_are_text():
    recipe = parse_recipe("name: x\nposes: {count: 6}\nfilter: {limbs: {on: false}, box: {on: off}}\ncard: {published: 2026-01-31}", "x")
    assert not recipe.filter.limbs.on and not recipe.filter.box.on and recipe.card.published == "2026-01-31"
    assert parse_recipe(dump_recipe(recipe), "frozen") == recipe


@pytest.mark.parametrize(
    ("override", "on"), [("limbs.on=off", False), ("limbs={on: no}", False), ("limbs.on=yes", True), ("limbs.on=on", True)]
)
def test_on_and_off_are_values_too(override, on):
    assert load_recipe("demo", [f"filter.{override}"]).filter.limbs.on is on


def test_a_day_may_be_set():
    assert load_recipe("demo", ["card.published=2026-01-31"]).card.published == "2026-01-31"


def test_parts_of_a_recipe_may_be_merged():
    text = "name: x\nposes: {count: 6}\nfilter: {limbs: &off {on: false}, box: {<<: *off, least: 0.5}}"
    assert parse_recipe(text, "x").filter.box.model_dump() == {"on": False, "least": 0.5}


def test_the_docs_name_every_bundled_recipe():
    text = (Path(__file__).parents[1] / "docs/recipes.md").read_text("utf-8").partition(" come with the package")[0]
    assert [name for name in bundled_recipes() if f"`{name}`" not in text] == []


def test_counts_are_shared_out():
    assert share_out(8, ("a", "b", "c")) == {"a": 3, "b": 3, "c": 2}


def test_a_path_means_the_same_in_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    changes = ["body.path=body.npz", "estimator.start=model", "poses.sources=[{kind: bvh, path: clips, mirror: off}]"]
    recipe = load_recipe("demo", changes)
    assert recipe.body.path == tmp_path / "body.npz" and recipe.estimator.start == str(tmp_path / "model")
    assert recipe.poses.sources[0].path == tmp_path / "clips" and not recipe.poses.sources[0].mirror
    assert load_recipe("demo", ["estimator.start=bundled"]).estimator.start == "bundled"


def test_one_key_of_a_map_leaves_the_others():
    assert load_recipe("demo", ["projections.proportions.chibi=7"]).projections.proportions == {
        **load_recipe("demo").projections.proportions, "chibi": 7,
    }  # fmt: skip


def test_a_key_may_stand_once(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("name: twice\nposes: {count: 3}\nposes: {oversample: 2}\n")
    with pytest.raises(UserError, match=r"twice\.yaml: not YAML, line 3: poses stands here a second time"):
        load_recipe(str(path))
    path.write_text("name: merged\nx: &x {a: 1}\n? [a, b]\n: 1\n")
    with pytest.raises(UserError):
        load_recipe(str(path))
