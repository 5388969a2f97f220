"""`python -m tests.two_nodes FOLDER [SKETCHES]`: a run over two Ray nodes of this machine, of which one is killed without warning.

`Placed`, the sketches stage unless another is named, asks for an easel, which stands for a GPU: the second node has the only one,
until it is lost and a third comes. For others nobody comes: the head has to end the run alone.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipeline.executors.cluster import OBJECT_STORE

T = TypeVar("T")
TRIES = 4


def _patiently(start: Callable[[], T]) -> T:
    """A node gives up when its agents take longer than 15 seconds to start, as they may on a busy machine."""
    for _ in range(TRIES - 1):
        try:
            return start()
        except Exception as e:
            print(e, file=sys.stderr)
    return start()


def _node(name: str, cpus: int, **resources) -> dict:
    rest = {"object_store_memory": OBJECT_STORE, "env_vars": {"TOY_NODE": name}, "include_dashboard": False}
    return {"num_cpus": cpus, "resources": resources, **rest}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main(folder: Path, sketches: str = "Placed") -> None:
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)
    from ray.cluster_utils import Cluster  # reads the environment

    config = folder / "config.json"
    config.write_text(json.dumps({"log": str(folder / "log")}))
    cluster = _patiently(lambda: Cluster(initialize_head=True, head_node_args=_node("head", 1 if sketches == "Placed" else 2)))
    lost = _patiently(lambda: cluster.add_node(**_node("first", 2, easel=1)))
    command = [sys.executable, "-m", "tests.toy_run", str(folder / "run"), cluster.address, sketches, str(config)]
    launcher = subprocess.Popen(command)
    while len(sorted(folder.glob("run/sketches/*.done.json"))) < 5 and launcher.poll() is None:
        try:
            launcher.wait(0.1)
        except subprocess.TimeoutExpired:
            pass
    cluster.remove_node(lost, allow_graceful=False)
    if sketches == "Placed":
        _patiently(lambda: cluster.add_node(**_node("second", 2, easel=1)))
    code = launcher.wait()
    cluster.shutdown()
    sys.exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
