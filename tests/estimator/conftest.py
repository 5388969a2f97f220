"""The little dataset that all tests of the estimator share."""

from pathlib import Path

import pytest
import torch

from estimator.data import Sketches
from estimator.skeleton import Skeleton
from stages.body.model import load_body
from stages.sketches.generator.build import build_pipeline, save_folder
from stages.sketches.generator.config import load_profile
from tests.estimator.figures import SIZE, write_dataset


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    """Nets this small only wait for a second thread where other work shares the machine."""
    monkeypatch.setattr("estimator.train.THREADS", 1)


@pytest.fixture(autouse=True)
def _seeded():
    """Numbers that no seed was named for are the same whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("estimator") / "dataset", {"train": range(8), "val": range(8, 12)})


@pytest.fixture(scope="module")
def sample(dataset):
    return Sketches(dataset, "train", SIZE)[0]


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return Skeleton(load_body())


@pytest.fixture(scope="session")
def tiny_generator(tmp_path_factory) -> Path:
    """The folder of a tiny generator of random weights."""
    folder = tmp_path_factory.mktemp("generator") / "model"
    save_folder(build_pipeline(load_profile("tiny").networks, ["a man walks"], 1), folder, {})
    return folder
