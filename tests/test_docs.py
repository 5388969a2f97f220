"""What the README and the docs tell people to type: every command parses, every target exists, every example in Python runs."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import typer

from pipeline.cli import app
from stages.body.camera import intrinsics
from stages.body.figure import make_figure
from stages.body.model import load_body

ROOT = Path(__file__).parents[1]
PATTERNS = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "*/**/weights/**/README.md")
PAGES = [page for pattern in PATTERNS for page in sorted(ROOT.glob(pattern))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
_INLINE = re.compile(r"`((?:make|skep) [^`\n]*)`")


class Line(NamedTuple):
    """A command, and the page that has it."""

    page: str
    text: str


@cache
def commands() -> tuple[Line, ...]:
    """Every line of a fenced block, and every inline one, that begins with make or skep; comments are left out."""
    found: list[Line] = []
    for page in PAGES:
        text = page.read_text()
        lines = [line for lang, body in _FENCE.findall(text) if lang in ("", "sh", "bash") for line in body.splitlines()]
        lines += _INLINE.findall(_FENCE.sub("", text))
        name = str(page.relative_to(ROOT))
        found += [Line(name, line) for line in lines if line.startswith(("make ", "skep ")) and "…" not in line]
    return tuple(found)


def _words(line: Line) -> list[str]:
    return shlex.split(line.text, comments=True)[1:]


def _given(tool: str) -> list[Any]:
    return [pytest.param(line, id=f"{line.page}: {line.text[:60]}") for line in commands() if line.text.startswith(f"{tool} ")]


def test_there_are_commands_to_check():
    assert len(_given("make")) > 20 and len(_given("skep")) > 15


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


def test_every_target_of_the_makefile_says_what_it_does():
    makefile = (ROOT / "Makefile").read_text()
    known = set(" ".join(re.findall(r"^\.PHONY:(.*)$", makefile, re.M)).split())
    told = {name for line in re.findall(r"^([a-z0-9 -]+):.*## ", makefile, re.M) for name in line.split()}
    assert known == told


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
