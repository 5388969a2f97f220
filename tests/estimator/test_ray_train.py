"""Ray Train starts the ranks of a training."""

import pytest
import torch

from estimator.ray_train import train_on_ray
from estimator.train import train
from manifests.errors import UserError
from stages.tensorfile import read_tensors
from tests.estimator.figures import TINY


def test_what_the_ranks_would_refuse_is_a_sentence(dataset, tmp_path, monkeypatch):
    for change, says in (({"batch": 7}, "7 samples cannot be shared by 2 ranks"), ({"start": "nowhere"}, "no finished training there")):
        with pytest.raises(UserError, match=says):
            train_on_ray(dataset, tmp_path, TINY.model_copy(update=change), 1, None, 2)
    with pytest.raises(UserError, match=r"dataset\.json"):
        train_on_ray(tmp_path / "none", tmp_path, TINY, 1, None, 2)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"GPU": 1.0})
    with pytest.raises(UserError, match="--ray-ranks 2: the cluster has 1 GPUs, and each rank wants one"):
        train_on_ray(dataset, tmp_path, TINY, 1, None, 2)


@pytest.mark.slow
def test_two_ranks_of_ray_train_end_where_one_does(dataset, tmp_path, ray_address):
    alone = train(dataset, tmp_path / "alone", TINY, 1, None, log=lambda _: None)
    (one, words), (two, same) = (read_tensors(path) for path in (alone, train_on_ray(dataset, tmp_path / "two", TINY, 1, None, 2)))
    assert words == same
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=2e-4, rtol=1e-2, msg=name)
