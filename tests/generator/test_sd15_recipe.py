"""The recipe for Stable Diffusion 1.5: its whole path, on tiny random weights in folders of that kind."""

import pytest

from manifests.dataset import Dataset
from manifests.errors import UserError
from manifests.recipe_files import load_recipe
from pipeline.run import run
from stages.shards.check import check_dataset
from tests.generator.others import save_controlnet, save_sd

CHECKS = ("pose", "limbs", "box", "figures", "style")
# Random weights draw nobody: what the filter and the search for duplicates would throw away stays.
ANYTHING = [*(f"filter.{name}.on=false" for name in CHECKS), "filter.ink={least: 0, most: 1, border: 1}", "select.duplicates.on=false"]
SMALL = [
    "styles=[ink, kids]",
    "poses={count: 4, oversample: 1}",
    "partition_size=2",
    "projections.size=128",
    "split.val=0.5",
    "run.workers=0",
]


def test_every_stage_runs_on_folders_that_the_user_names(pipeline, tmp_path):
    model = save_sd(pipeline, tmp_path / "sd15")
    control = save_controlnet(pipeline.unet, tmp_path / "openpose")
    named = [f"sketches.diffusion.{k}={v}" for k, v in {"model": model, "controlnet": control, "device": "cpu", "dtype": "float32"}.items()]
    quick = ["sketches.diffusion.steps=2", "sketches.diffusion.batch=2"]
    recipe = load_recipe("skep-120k-sd15", [*SMALL, *ANYTHING, *named, *quick])
    run(recipe, str(tmp_path / "run"), quiet=True)
    made = Dataset(tmp_path / "run")
    assert made.index.samples == 4 and not list(check_dataset(made))
    assert {g.partition(":")[0] for g in made.index.generators} == {"sha256"}


def test_without_the_folders_nothing_is_begun(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"models/control_v11p_sd15_openpose|models/stable-diffusion-v1-5"):
        run(load_recipe("skep-120k-sd15"), str(tmp_path / "run"), quiet=True)
    assert not (tmp_path / "run" / "poses").exists()
