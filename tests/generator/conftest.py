"""A trained tiny generator and tiny Stable Diffusion folders of other kinds, random but for it."""

from pathlib import Path

import pytest
import torch

from stages.sketches.generator.build import build_pipeline, save_folder
from stages.sketches.generator.config import load_profile
from stages.sketches.generator.train import Training
from stages.sketches.generator.words import phrases

QUIET = {"log": lambda _: None}
TINY = load_profile("tiny")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums are the same whatever ran before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def seeded():
    """Weights that no seed was named for are the same whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """The folder of a whole tiny training. Read only."""
    training = Training(tmp_path_factory.mktemp("generator") / "out", TINY, **QUIET)
    training.prepare([])
    assert all(training.run(stage) for stage in ("vae", "unet", "distill"))
    return training.out


@pytest.fixture(scope="session")
def pipeline():
    """Our tiny pipeline with random weights, in memory."""
    return build_pipeline(TINY.networks, phrases(20), 3)


@pytest.fixture(scope="session")
def folder(pipeline, tmp_path_factory) -> Path:
    """The same as a folder, in single precision."""
    path = tmp_path_factory.mktemp("model") / "ours"
    save_folder(pipeline, path, {"size": 32, "steps": 2, "guidance": 1.0}, torch.float32)
    return path
