"""The commands as a user types them, in processes of their own."""

import json
import shutil
import signal
import subprocess
import sys

import pytest

from manifests.recipe_files import dump_recipe, load_recipe
from tests.commands import skep

SMALL = ["--set", "poses.count=4", "--set", "run.workers=1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A smoke run made by the command itself."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    done = skep("run", "smoke", "--run", str(folder), *SMALL)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_run_says_what_became_of_every_sample(made):
    folder, done = made
    assert f"{folder}: " in done.stdout and "samples planned = 4 kept + " in done.stdout
    assert "shards" in done.stderr
    told = [line.split(maxsplit=2) for line in done.stdout.splitlines() if line.startswith("  rejected ")]
    rejected = int(done.stdout.split(" rejected + ")[0].rpartition(" ")[2])
    assert sum(int(count) for _, count, _ in told) == rejected and all(": " in reason for *_, reason in told)


def test_the_second_run_has_nothing_to_do(made):
    done = skep("run", "smoke", "--run", str(made[0]), *SMALL)
    assert done.returncode == 0 and "nothing to do, all is done" in done.stdout


def test_status_plan_verify_show(made):
    folder = str(made[0])
    status = skep("status", folder)
    assert status.returncode == 0 and "index" in status.stdout
    stale = skep("status", folder, "--set", "filter.ink.border=0.4")
    assert "filter.ink.border: 0.6 → 0.4" in stale.stdout
    plan = skep("plan", "smoke", "--run", folder, "--set", "poses.count=100")
    assert "100 samples wanted" in plan.stdout and "rates measured here" in plan.stdout
    assert "seconds a sample (index: a shard): poses 0." in plan.stdout
    verify = skep("verify", folder)
    assert verify.returncode == 0 and "every file is what it should be" in verify.stdout
    for stage in ("poses", "projections", "sketches", "filter"):
        show = skep("show", folder, "--stage", stage, "--count", "3")
        assert show.returncode == 0, show.stderr
        assert (made[0] / f"sheets/{stage}.png").stat().st_size > 1000


def test_a_trained_model_is_evaluated(made, tmp_path):
    folder = shutil.copytree(made[0], tmp_path / "run")
    small = ["--set", "estimator.steps=1", "--set", "estimator.size=64"]
    trained = skep("train", str(folder), "--model", "global", *small)
    assert trained.returncode == 0, trained.stderr
    done = skep("evaluate", str(folder), "--held-out", str(made[0]))
    assert done.returncode == 0, done.stderr
    said = json.loads((folder / "estimator/evaluation.json").read_text())
    assert json.loads(done.stdout.splitlines()[-1]) == {method: styles["all"] for method, styles in said.items()}
    assert set(said) == {"mean_pose", "bundled", "global"} and (folder / "estimator/global/model.safetensors").exists()


def test_what_is_damaged_is_made_again_and_what_is_finished_can_be_cleaned(made, tmp_path):
    folder = str(shutil.copytree(made[0], tmp_path / "run"))
    table = tmp_path / "run/sketches/stick-p00000.parquet"
    whole = table.read_bytes()
    table.write_bytes(whole[:-9])
    dropped = skep("verify", folder, "--drop-damaged")
    assert dropped.returncode == 1 and "sketches/stick-p00000.parquet differs from its sha256" in dropped.stdout
    assert not table.with_suffix(".done.json").exists()
    assert skep("run", "smoke", "--run", folder, *SMALL).returncode == 0
    assert skep("verify", folder).returncode == 0 and table.read_bytes() == whole
    cleaned = skep("clean", folder)
    assert cleaned.returncode == 0 and not table.exists()
    assert "nothing to do" in skep("run", "smoke", "--run", folder, *SMALL).stdout


def test_verify_exits_with_1_on_damage(made, tmp_path):
    folder = tmp_path / "run"
    assert skep("run", "smoke", "--run", str(folder), *SMALL, "--until", "poses").returncode == 0
    (folder / "poses/stick-p00000.parquet").write_bytes(b"")
    done = skep("verify", str(folder))
    assert done.returncode == 1 and "poses/stick-p00000.parquet differs from its sha256" in done.stdout


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("run", "nothing.yaml"), "skep: nothing.yaml: cannot read this recipe"),
        (("run", "smoke", "--set", "poses.count=x"), "skep: recipe smoke: poses.count: "),
        (("run", "smoke", "--executor", "abacus"), "skep: --executor abacus: expected local or ray"),
        (("status", "nowhere"), "skep: nowhere: not a run folder, it has no recipe.yaml"),
        (("show", "nowhere"), "skep: nowhere: not a run folder"),
        (("train", "nowhere"), "skep: nowhere: not a run folder"),
        (("train", "s3://bucket/run"), "skep: s3://bucket/run: expected a run folder on a disk"),
        (("evaluate", "s3://bucket/run"), "skep: s3://bucket/run: expected a run folder on a disk"),
        (("run", "smoke", "--set", "estimator.width=40", "--set", "estimator.groups=8"), "skep: recipe smoke: estimator: width 40 with 8"),
        (("review", "nowhere"), "skep: nowhere: not a run folder"),
        (("push", "nowhere", "there"), "skep: nowhere/dataset.json: this file is missing"),
        (("verify", "bogus://x"), "skep: bogus://x: cannot use this address"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(args, sentence, tmp_path):
    done = skep(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence) and done.stderr.count("\n") == 1


def test_files_in_place_of_folders_and_a_store_that_is_down_are_one_sentence(made, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    settings = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in (settings | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}).items():
        monkeypatch.setenv(name, value)
    for args, sentence in (
        (("status", "file"), f"skep: {tmp_path}/file/recipe.yaml: Not a directory"),
        (("push", str(made[0]), "file"), f"skep: {tmp_path}/file: File exists"),
        (("verify", "s3://bucket/run"), "skep: Could not connect to the endpoint URL"),
    ):
        done = skep(*args, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(sentence) and done.stderr.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_to_resume(number, code, tmp_path):
    """By Ctrl-C, which all of its processes get, and by a signal to itself, when the first unit is done."""
    folder = tmp_path / "run"
    whom = "0" if number == signal.SIGINT else "os.getpid()"
    code_run = (
        "import os, runpy, sys, pipeline.run\n"
        "finished = pipeline.run._Runner._finished\n"
        "def struck(self, *landed):\n"
        "    finished(self, *landed)\n"
        f"    os.kill({whom}, {int(number)})\n"
        "pipeline.run._Runner._finished = struck\n"
        f"sys.argv = ['skep', 'run', 'smoke', '--run', {str(folder)!r}, '--set', 'poses.count=400']\n"
        "runpy.run_module('pipeline', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code_run], capture_output=True, text=True, start_new_session=True)
    assert done.returncode == code, done.stderr
    assert "run the same command to resume" in done.stderr
    assert list(folder.glob("poses/*.done.json")) and not list(folder.rglob("*.tmp"))


def test_an_interruption_while_the_commands_are_loaded_is_one_too():
    code = (
        "import os, runpy, signal, sys\n"
        "class Struck:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'pipeline.cli': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Struck())\n"
        "runpy.run_module('pipeline', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130 and done.stderr.strip() == "skep: interrupted; run the same command to resume"


def test_status_says_what_is_not_known_yet(tmp_path):
    skep("run", "smoke", "--run", str(tmp_path / "run"), *SMALL, "--until", "poses")
    rows = [line.split() for line in skep("status", str(tmp_path / "run")).stdout.splitlines()]
    assert ["shards", *"?????"] in rows and ["index", *"?????"] in rows


def test_lines_of_the_log_that_are_no_events_are_passed_over(made, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(made[0], copy)
    (copy / "events/0000.jsonl").write_text("3\n[]\n{\n")
    for command in ("plan", "report"):
        done = skep(command, "smoke", "--run", str(copy)) if command == "plan" else skep(command, str(copy))
        assert done.returncode == 0, done.stderr


def test_a_run_beside_its_recipe_does_not_write_over_it(tmp_path):
    own = tmp_path / "recipe.yaml"
    own.write_text(text := f"# my own words\n{dump_recipe(load_recipe('smoke'))}")
    done = skep("run", "recipe.yaml", "--run", ".", cwd=tmp_path)
    assert done.returncode == 2 and "recipe.yaml: the run would write the recipe that it freezes over it" in done.stderr
    assert own.read_text() == text and list(tmp_path.iterdir()) == [own]


def test_an_unreadable_index_hides_no_other_problem(made, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(made[0], copy)
    table = sorted((copy / "filter").glob("*.parquet"))[0]
    for path in (table, copy / "dataset/dataset.json"):
        path.write_bytes(b"")
    done = skep("verify", str(copy))
    assert done.returncode == 1 and table.name in done.stdout and "dataset.json" in done.stdout


def test_an_address_with_one_slash_is_no_folder(made, tmp_path):
    done = skep("push", str(made[0]), "s3:/bucket/mine", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean s3://bucket/mine?" in done.stderr and not list(tmp_path.iterdir())
