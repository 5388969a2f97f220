"""Helpers that several test files share."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import settings

from manifests.recipe import load_recipe
from pipeline.run import run

# The same examples every time, and no test may depend on how fast the machine is.
settings.register_profile("skep", deadline=None, derandomize=True, database=None)
settings.load_profile("skep")

# Timings and who holds the folder are of one launch; everything else must be the same however a run went.
OF_ONE_LAUNCH = ("events", "lock", "recipe.yaml")


def tree(folder: Path) -> dict[str, str]:
    """sha256 of every file of a run but those that belong to one launch."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.relative_to(folder).parts[0] not in OF_ONE_LAUNCH]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory) -> Path:
    """A finished run of the smoke recipe with all real stages. Read only."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    run(load_recipe("smoke", ["run.workers=0"]), str(folder), quiet=True)
    return folder
