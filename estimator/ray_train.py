"""The same training on a Ray cluster: Ray Train starts the ranks, which find each other as those of `torchrun` do."""

from pathlib import Path

from estimator.state import MODEL
from manifests.errors import UserError
from manifests.recipe import Estimator


def train_on_ray(dataset: Path, out: Path, config: Estimator, seed: int, body: Path | None, ranks: int) -> Path:
    """Train on the Ray cluster that this process has joined, with so many ranks, each on a GPU of its own where the cluster has any.

    dataset, body and out are on storage that all nodes share; returns `<out>/model.safetensors`. Needs ray[train]. Raises UserError for
    what the ranks would refuse, and for more ranks than GPUs.
    """
    from estimator.skeleton import Skeleton
    from estimator.train import check_shares, identity_of
    from stages.body.model import load_body
    from stages.ranks import PATIENCE

    check_shares(config, ranks)
    identity_of(dataset, config, seed, Skeleton(load_body(body)))  # a mistake is a sentence here, not a traceback of every rank

    import ray

    gpus = int(ray.cluster_resources().get("GPU", 0))
    if 0 < gpus < ranks:
        raise UserError(f"--ray-ranks {ranks}: the cluster has {gpus} GPUs, and each rank wants one")
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    given = {"dataset": dataset.absolute(), "out": out.absolute(), "config": config, "seed": seed, "body": body and body.absolute()}
    scaling = ScalingConfig(num_workers=ranks, use_gpu=gpus > 0)
    out.mkdir(parents=True, exist_ok=True)
    TorchTrainer(
        _rank, train_loop_config=given, torch_config=TorchConfig(timeout_s=int(PATIENCE.total_seconds())), scaling_config=scaling,
        run_config=RunConfig(storage_path=str(out.absolute() / "ray")),
    ).fit()  # fmt: skip
    return out / MODEL


def _rank(given: dict) -> None:
    from estimator.train import train

    train(**given)
