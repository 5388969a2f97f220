"""Small networks with random weights, and the folder of a detector made of them."""

import pytest
import torch

from stages.detector.eyes import write_pose
from stages.detector.finder_net import FinderNet
from stages.detector.pose_net import PoseNet, PoseSize, initialise
from stages.detector.weights import FINDER, POSE, write_half

TINY = PoseSize(stem=(8, 16, 32), hidden=48, layers=2, heads=2, refine=(24, 24, 24))


@pytest.fixture(autouse=True)
def _one_thread():
    """Nets this small only wait for a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Weights that have learnt nothing."""
    home = tmp_path_factory.mktemp("detector")
    pose, finder = PoseNet(TINY), FinderNet()
    initialise(pose, 1)
    initialise(finder, 2)
    write_pose(home / POSE, pose, {})
    write_half(home / FINDER, finder, {})
    return home
