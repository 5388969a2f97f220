"""Helpers that several test files share."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from moto.server import ThreadedMotoServer

from manifests.recipe_files import load_recipe
from pipeline.executors.cluster import connect
from pipeline.run import run
from tests.struck import environment, plan_file

# Bounds and bytes that tests expect are those of a CPU, also in processes that they start.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# The same examples every time, and no test may depend on how fast the machine is.
settings.register_profile("skep", deadline=None, derandomize=True, database=None)
settings.load_profile("skep")

# Timings and who holds the folder are of one launch; everything else must be the same however a run went.
OF_ONE_LAUNCH = ("events", "lock", "recipe.yaml")


# Minutes each, mostly of waiting: begun first, lest one process ends with them and the other with nothing.
LONG = ("test_kill.py", "test_simulated.py", "test_bench.py", "test_ray.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, in the order of LONG."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def tree(folder: Path) -> dict[str, str]:
    """sha256 of every file of a run but those that belong to one launch."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.relative_to(folder).parts[0] not in OF_ONE_LAUNCH]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a bucket on moto's server, which lists three names a page. Everything started later finds it."""
    import boto3

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    settings = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1", "MOTO_S3_DEFAULT_MAX_KEYS": "3"}
    settings |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="runs")
        yield "s3://runs"
    server.stop()


@pytest.fixture(scope="session")
def faults(tmp_path_factory) -> Path:
    """The folder whose plan strikes the workers of the session's Ray cluster; no strikes until a test writes some."""
    folder = tmp_path_factory.mktemp("faults")
    plan_file(folder).write_text(json.dumps({"strikes": [], "flags": str(folder), "starts": str(folder / "starts")}))
    return folder


@pytest.fixture(scope="session")
def ray_address(s3, faults) -> Iterator[str]:
    """One Ray cluster of two CPUs for all tests of a session, started as `--executor ray` does."""
    os.environ.update(environment(faults))
    connect(None, 2)
    for name in environment(faults):
        del os.environ[name]
    import ray

    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory) -> Path:
    """A finished run of the smoke recipe with all real stages. Read only."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    run(load_recipe("smoke", ["run.workers=0"]), str(folder), quiet=True)
    return folder
