"""What the README and the docs tell people to type: every command parses, every target exists, every example in Python runs."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pyarrow as pa
import pytest
import typer
from PIL import Image

from manifests import fields, schema
from manifests.recipe_files import load_recipe
from manifests.skeleton import EDGES
from manifests.stage import Config, Context, Stage
from pipeline.cli import app
from stages.body.camera import intrinsics
from stages.body.figure import make_figure
from stages.body.model import load_body
from stages.filters.look import Look
from stages.pictures import decode, png
from stages.poses import sources
from stages.sketches.drawing import stick
from tests.commands import skep

ROOT = Path(__file__).parents[1]
DRAWINGS = ROOT / "tests" / "data" / "drawings"
PATTERNS = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "estimator/**/weights/README.md", "stages/**/weights/**/README.md")
PAGES = [page for pattern in PATTERNS for page in sorted(ROOT.glob(pattern))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
_TOOLS = ("make ", "skep ", "python -m ", "sbatch ")
_INLINE = re.compile(r"`((?:make|skep|python -m|sbatch) [^`\n]*)`")


class Line(NamedTuple):
    """A command, and the page that has it."""

    page: str
    text: str


@cache
def commands() -> tuple[Line, ...]:
    """Every line of a fenced block, and every inline one, that begins with one of the tools; comments are left out."""
    found: list[Line] = []
    for page in PAGES:
        text = page.read_text()
        lines = [line for lang, body in _FENCE.findall(text) if lang in ("", "sh", "bash") for line in body.splitlines()]
        lines += _INLINE.findall(_FENCE.sub("", text))
        name = str(page.relative_to(ROOT))
        found += [Line(name, line) for line in lines if line.startswith(_TOOLS) and "…" not in line]
    return tuple(found)


def _words(line: Line) -> list[str]:
    return shlex.split(line.text, comments=True)[1:]


def _given(tool: str) -> list[Any]:
    return [pytest.param(line, id=f"{line.page}: {line.text[:60]}") for line in commands() if line.text.startswith(f"{tool} ")]


def test_there_are_commands_to_check():
    assert len(_given("make")) > 20 and len(_given("skep")) > 15 and len(_given("python")) > 5 and _given("sbatch")


@pytest.mark.parametrize("line", _given("make"))
def test_targets_and_variables_are_the_makefiles(line):
    makefile = (ROOT / "Makefile").read_text()
    targets, variables = (set(re.findall(pattern, makefile, re.M)) for pattern in (r"\.PHONY:(.*)$", r"^([A-Z_]+) \?="))
    known = set(" ".join(targets).split())
    for word in _words(line):
        name, given, _ = word.partition("=")
        assert name in (variables if given else known), f"{line.page}: {word}"


@pytest.mark.parametrize("line", _given("skep"))
def test_commands_parse(line):
    """By the parser of the command itself, which does nothing yet."""
    name, *words = _words(line)
    group: Any = typer.main.get_command(app)
    assert name in group.commands, f"{line.page}: skep {name}"
    if not name.startswith("-"):
        group.commands[name].make_context(name, words, resilient_parsing=not words)


@pytest.mark.parametrize("line", _given("make"))
def test_what_make_would_do_parses(line):
    """Nothing is done: the commands that come of the variables are held against the parser of `skep`, and the modules are there."""
    done = subprocess.run(["make", "-n", "-o", ".venv/.ready", *_words(line)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in done.stdout.splitlines():
        words = shlex.split(command)
        for tool in (w for w in words if w.endswith("bin/skep")):
            name, *rest = words[words.index(tool) + 1 :]
            typer.main.get_command(app).commands[name].make_context(name, rest)
        if "-m" in words:
            assert find_spec(words[words.index("-m") + 1]), f"{line.page}: {command}"


@cache
def _help_of(module: str) -> str:
    done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


@pytest.mark.parametrize("line", _given("python"))
def test_modules_know_the_options_that_they_are_given(line):
    _, module, *words = _words(line)
    assert find_spec(module), f"{line.page}: {line.text}"
    options = [word for word in words if word.startswith("--")]
    assert [option for option in options if option not in _help_of(module)] == []


@pytest.mark.parametrize("line", _given("sbatch"))
def test_scripts_for_slurm_pass_on_what_the_run_takes(line):
    """Its own options come before the script, what comes after it is for `skep run`."""
    script = next(word for word in _words(line) if word.endswith(".sh"))
    recipe, url, *options = _words(line)[_words(line).index(script) + 1 :]
    assert (ROOT / script).exists()
    typer.main.get_command(app).commands["run"].make_context("run", [recipe, "--run", url, *options])
    load_recipe(recipe, [value for name, value in pairwise(options) if name == "--set"])


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_links_lead_somewhere(page):
    """Pages and pictures of this repository."""
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_target_of_the_makefile_says_what_it_does():
    makefile = (ROOT / "Makefile").read_text()
    known = set(" ".join(re.findall(r"^\.PHONY:(.*)$", makefile, re.M)).split())
    told = {name for line in re.findall(r"^([a-z0-9 -]+):.*## ", makefile, re.M) for name in line.split()}
    assert known == told


# What cannot be done here, and what another test does.
ELSEWHERE = {
    "skep review": "tests/test_review.py: it serves until it is stopped",
    "skep run skep-120k": "120,000 samples on a cluster, or 1,200 in a quarter of an hour",
    "skep run demo --run runs/mine --set poses.count=300": "minutes; `make demo` is the same with 360",
    "skep train runs/mine --ray-ranks": "tests/estimator/test_ray_train.py",
    "skep run demo --executor ray": "tests/test_ray.py",
    "skep evaluate runs/mine --held-out val-600": "minutes; tests/test_cli.py evaluates on the run's own",
    "skep report s3://": "tests/test_report.py",
    "skep export-model model.onnx": "tests/estimator/test_program.py, where onnx is installed",
}


@pytest.fixture(scope="module")
def desk(smoke_run, tmp_path_factory) -> Path:
    """A folder with everything that the commands of the docs name: a run with a trained estimator, drawings, corrections."""
    desk = tmp_path_factory.mktemp("desk")
    shutil.copytree(smoke_run, desk / "runs" / "mine")
    _skep(desk, "train", "runs/mine", "--model", "lifter")  # of which the docs speak
    for name, drawing in {
        "drawing": "kids_balloon",
        "frames/1": "kids_football",
        "frames/2": "kids_football",
        "sketches/a": "cartoon_jump",
    }.items():
        (desk / f"{name}.png").parent.mkdir(exist_ok=True)
        shutil.copy(DRAWINGS / f"{drawing}.png", desk / f"{name}.png")
    Image.open(DRAWINGS / "ink_pedlar.png").convert("RGB").save(desk / "page.jpg")
    shutil.copytree(DRAWINGS, desk / "tests" / "data" / "drawings")
    (desk / "mine.json").write_text(json.dumps({"left_wrist": [120, 88]}))
    shutil.copytree(DRAWINGS, desk / "pictures", ignore=shutil.ignore_patterns("*.svg", "*.md"))
    (desk / "pictures" / "annotations.json").rename(desk / "pictures" / "coco.json")
    shutil.copy(ROOT / "manifests" / "recipes" / "smoke.yaml", desk / "recipe.yaml")
    return desk


def _skep(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = skep(*words, cwd=folder)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done


def _doable() -> list[str]:
    """Every command of `skep` that names what it works on, once."""
    whole = [shlex.join(_words(line)) for line in commands() if line.text.startswith("skep ") and len(_words(line)) > 1]
    places = re.compile(r"\b(RUN|DIR|PATH|SAMPLE_ID)\b")
    return sorted({words for words in whole if not places.search(words) and not f"skep {words}".startswith(tuple(ELSEWHERE))})


@pytest.mark.slow  # minutes: each loads torch
@pytest.mark.timeout(600)
@pytest.mark.parametrize("words", _doable())
def test_commands_do_their_work(words, desk, s3):
    assert _skep(desk, *shlex.split(words.replace("s3://bucket", s3))).stdout


def _examples() -> Iterator[Any]:
    for page in PAGES:
        if page.name != "CONTRIBUTING.md":  # pieces of files there
            blocks = [body for lang, body in _FENCE.findall(page.read_text()) if lang == "python"]
            yield from (pytest.param(body, id=f"{page.name} {i}") for i, body in enumerate(blocks))


@pytest.mark.parametrize("example", _examples())
def test_examples_run(example, smoke_run, tmp_path, monkeypatch):
    """In a folder with the runs and the drawing that they name, and the pictures that they are given."""
    (tmp_path / "runs").mkdir()
    for name in ("demo", "mine"):
        (tmp_path / "runs" / name).symlink_to(smoke_run)
    drawing = (ROOT / "tests/data/drawings/kids_balloon.png").read_bytes()
    (tmp_path / "drawing.png").write_bytes(drawing)
    monkeypatch.chdir(tmp_path)
    image = cv2.cvtColor(cv2.imdecode(np.frombuffer(drawing, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    figure = make_figure(load_body(), np.zeros((24, 3)), np.zeros(10), np.ones(24), np.array([0, 0, 4.0]), intrinsics(256, 256), 256)
    given = {"images": [image], "boxes": np.array([[0.0, 0, image.shape[1], image.shape[0]]]), "rng": np.random.default_rng(0)}
    exec(compile(_single(example), "example", "exec"), given | {"figure": figure})


def _single(example: str) -> str:
    """Workers would outlive the test's own process group; the rest is as it stands."""
    return example.replace("num_workers=4", "num_workers=0")


def test_every_field_of_a_recipe_is_told():
    """`python -m manifests.fields > docs/fields.md` after a change."""
    assert (ROOT / "docs" / "fields.md").read_text() == fields.page()


def test_the_pieces_of_files_to_learn_from_work():
    """A check, a style, a source and a stage, as CONTRIBUTING.md has them."""
    known = {"EDGES": EDGES, "pa": pa, "cv2": cv2, "schema": schema, "decode": decode, "Stage": Stage, "Context": Context}
    given: dict[str, Any] = {**vars(stick), **vars(sources), **known}
    for lang, body in _FENCE.findall((ROOT / "CONTRIBUTING.md").read_text()):
        if lang == "python":
            exec(compile(body, "piece", "exec"), given)
    figure = make_figure(load_body(), np.zeros((24, 3)), np.zeros(10), np.ones(24), np.array([0, 0, 4.0]), intrinsics(256, 256), 256)
    canvas, words = given["paint"](figure, None, {}, np.random.default_rng(0), 256)
    picture = canvas.picture.astype(np.uint8)
    assert picture.std() > 5 and words == "a figure of wire"
    small = Look(picture, "stick", figure.joints16_2d, np.full(16, 2), np.array([0.0, 100, 256, 150]), *[np.zeros(0)] * 5)
    assert given["check"](small, 0.3) == (False, "a small figure", 50 / 256) and given["check"](small, 0.1)[0]
    made = given["Still"]().make([10.0, 20.0])
    assert made.turns.shape == (2, 24, 3, 3)
    table = pa.table({"sample_id": ["stick-000000"], "image": [png(picture)]})
    sharp = given["Blurred"](Config(load_recipe("smoke"), given["Blurred"].config)).process(table, Context.alone(0, "sharpness"))
    assert sharp["sharpness"][0].as_py() > 1 and sharp["reason"].to_pylist() == [""]


def test_a_stage_that_answers_for_rows_says_why_they_go_no_further():
    with pytest.raises(TypeError, match=r"Silent\.writes: expected `reason`"):
        type("Silent", (Stage,), {"writes": pa.schema([schema.SAMPLE_ID])})
