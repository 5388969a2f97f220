"""Ray Train starts the ranks of a training."""

import pytest
import torch

from estimator.ray_train import train_on_ray
from estimator.train import train
from stages.tensorfile import read_tensors
from tests.estimator.figures import TINY


@pytest.mark.slow
def test_two_ranks_of_ray_train_end_where_one_does(dataset, tmp_path, ray_address):
    alone = train(dataset, tmp_path / "alone", TINY, 1, None, log=lambda _: None)
    (one, words), (two, same) = (read_tensors(path) for path in (alone, train_on_ray(dataset, tmp_path / "two", TINY, 1, None, 2)))
    assert words == same
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=2e-4, rtol=1e-2, msg=name)
