"""One rank of a training that a test starts by torchrun: python -m tests.estimator.two_ranks DATASET OUT CONFIG."""

import sys
from pathlib import Path

import estimator.train
from manifests.recipe import Estimator

if __name__ == "__main__":
    dataset, out, config = sys.argv[1:]
    estimator.train.THREADS = 1
    estimator.train.train(Path(dataset), Path(out), Estimator.model_validate_json(config), 1, None)
