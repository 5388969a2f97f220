"""What docs/cluster holds, tried as far as one machine allows: real nodes, a real submission, Slurm's words with stand-ins."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import jsonschema
import psutil
import pytest
import typer.main
import yaml

from manifests.recipe_files import bundled_recipes
from pipeline.cli import app
from pipeline.lock import RunLock
from pipeline.run import run
from pipeline.store import Store
from tests.conftest import tree
from tests.toy import specs
from tests.toy_run import recipe
from tests.two_nodes import free_port

ROOT = Path(__file__).parent.parent
FILES = ROOT / "docs/cluster"
RAY = Path(sys.executable).with_name("ray")

_TEMPLATE = {
    "type": "object", "required": ["spec"],
    "properties": {"spec": {"type": "object", "required": ["containers"], "properties": {"containers": {
        "type": "array", "minItems": 1, "items": {"type": "object", "required": ["name", "image", "resources"]},
    }}}},
}  # fmt: skip
_PARAMS = {"type": "object", "additionalProperties": {"type": "string"}}
_KUBERAY = "v1.5.1"  # the first that knows authOptions
# The part of its ray.io/v1 RayJob that the file uses; unknown names are errors, as they are for kubectl.
_RAYJOB = {
    "type": "object", "required": ["apiVersion", "kind", "metadata", "spec"], "additionalProperties": False,
    "properties": {"apiVersion": {"const": "ray.io/v1"}, "kind": {"const": "RayJob"}, "metadata": {"required": ["name"]}, "spec": {
        "type": "object", "required": ["entrypoint", "rayClusterSpec"], "additionalProperties": False,
        "properties": {
            "entrypoint": {"type": "string"}, "backoffLimit": {"type": "integer"},
            "shutdownAfterJobFinishes": {"type": "boolean"}, "ttlSecondsAfterFinished": {"type": "integer"},
            "rayClusterSpec": {
                "type": "object", "required": ["rayVersion", "headGroupSpec", "workerGroupSpecs"], "additionalProperties": False,
                "properties": {
                    "rayVersion": {"const": version("ray")}, "enableInTreeAutoscaling": {"type": "boolean"},
                    "authOptions": {"type": "object", "properties": {"mode": {"enum": ["disabled", "token"]}}},
                    "headGroupSpec": {
                        "type": "object", "required": ["rayStartParams", "template"], "additionalProperties": False,
                        "properties": {"rayStartParams": _PARAMS, "template": _TEMPLATE},
                    },
                    "workerGroupSpecs": {"type": "array", "minItems": 1, "items": {
                        "type": "object", "required": ["groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"],
                        "additionalProperties": False,
                        "properties": {
                            "groupName": {"type": "string"}, "rayStartParams": _PARAMS, "template": _TEMPLATE,
                            "replicas": {"type": "integer"}, "minReplicas": {"type": "integer"}, "maxReplicas": {"type": "integer"},
                        },
                    }},
                },
            },
        },
    }},
}  # fmt: skip


def _skep(folder: Path) -> Path:
    """A `skep` command that a cluster's node can call."""
    command = folder / "skep"
    command.write_text(f'#!/bin/sh\nexport PYTHONPATH={ROOT}\nexec {sys.executable} -m pipeline "$@"\n')
    command.chmod(0o755)
    return command


def _options(command: list[str]) -> dict:
    """Arguments of a `skep run` command as the command line reads them."""
    assert command[:2] == ["skep", "run"]
    return typer.main.get_command(app).commands["run"].make_context("run", command[2:]).params  # type: ignore[attr-defined]


def test_the_rayjob_is_one_that_kuberay_takes():
    text = (FILES / "rayjob.yaml").read_text()
    job = yaml.safe_load(text)
    jsonschema.validate(job, _RAYJOB)
    assert f"KubeRay {_KUBERAY} or later" in text
    params = _options(shlex.split(job["spec"]["entrypoint"]))
    assert params["executor"] == "ray" and params["ray_address"] == "auto" and params["recipe"] in bundled_recipes()


@pytest.mark.parametrize("script", ["slurm.sh", "submit.sh"])
def test_scripts_are_bash(script):
    subprocess.run(["bash", "-n", str(FILES / script)], check=True)
    assert os.access(FILES / script, os.X_OK)


@pytest.mark.slow
def test_a_lost_node_changes_no_byte_and_a_stage_stays_where_its_resource_is(tmp_path):
    done = subprocess.run([sys.executable, "-m", "tests.two_nodes", str(tmp_path)], timeout=280)
    assert done.returncode == 0
    nodes = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert set(nodes) == {"first", "second"}
    run(recipe(body__path=str(tmp_path / "config.json")), str(tmp_path / "local"), specs("Placed"), quiet=True)
    assert tree(tmp_path / "run") == tree(tmp_path / "local")


@pytest.mark.slow
def test_a_lost_node_for_which_no_other_comes_leaves_the_run_to_the_rest(tmp_path):
    done = subprocess.run([sys.executable, "-m", "tests.two_nodes", str(tmp_path), "Model"], timeout=280)
    assert done.returncode == 0
    run(recipe(body__path=str(tmp_path / "config.json")), str(tmp_path / "local"), specs("Model"), quiet=True)
    assert tree(tmp_path / "run") == tree(tmp_path / "local")


@pytest.mark.slow
def test_ray_job_submit_runs_a_recipe(tmp_path):
    port, dashboard = free_port(), free_port()
    env = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64, "RAY": str(RAY)}
    env |= {"SKEP": str(_skep(tmp_path)), "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}"}
    env.pop("RAY_ADDRESS", None)
    with tempfile.TemporaryDirectory(prefix="ray-") as short:  # sockets lie there, and their names may not be long
        start = f"{RAY} start --head --block --port={port} --dashboard-port={dashboard} --num-cpus=2 --temp-dir={short}"
        agents = ("metrics-export-port", "runtime-env-agent-port", "dashboard-agent-grpc-port", "dashboard-agent-listen-port")
        start += "".join(f" --{agent}={free_port()}" for agent in agents)
        head = subprocess.Popen(start.split(), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            listening = f"import socket, time\nwhile socket.socket().connect_ex(('127.0.0.1', {dashboard})): time.sleep(0.2)"
            subprocess.run([sys.executable, "-c", listening], timeout=120, check=True)
            command = [str(FILES / "submit.sh"), "smoke", str(tmp_path / "run"), "--set", "poses.count=4"]
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
        finally:
            head.terminate()
            head.wait()
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "run/dataset/dataset.json").read_text())


def _slurm(folder: Path, job: str, **stand_ins: str) -> dict[str, str]:
    """The environment of a job of one node, with commands in place of Slurm's."""
    commands = folder / ".venv/bin"
    commands.mkdir(parents=True)
    for name, text in {"scontrol": "echo 127.0.0.1", **stand_ins}.items():
        (commands / name).write_text(f"#!/bin/sh\n{text}\n")
        (commands / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": job, "SLURM_JOB_NODELIST": "node", "SLURM_JOB_NUM_NODES": "1", "SKEP_HOME": str(folder)}
    return {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | slurm | {"PATH": f"{commands}:{os.environ['PATH']}"}


@pytest.mark.parametrize(("holder", "restarts", "stays"), [("7", "1", False), ("7", "0", True), ("8", "1", True)])
def test_a_slurm_job_that_is_queued_again_removes_the_lock_of_its_earlier_start_alone(holder, restarts, stays, tmp_path, monkeypatch):
    """It names a node that is gone, and would be trusted."""
    monkeypatch.setenv("SLURM_JOB_ID", holder)
    store = Store(str(tmp_path / "run"))
    with RunLock(store):
        left = json.loads(store.read("lock"))
    store.write("lock", json.dumps(left | {"host": "gone"}).encode())
    env = _slurm(tmp_path, "7", srun="exit 3") | {"SLURM_RESTART_COUNT": restarts}
    assert subprocess.run(["bash", str(FILES / "slurm.sh"), "smoke", store.root], env=env).returncode == 3
    assert store.exists("lock") == stays


@pytest.mark.slow
def test_the_slurm_script_starts_a_cluster_and_runs(tmp_path):
    """`srun` and `scontrol` are stand-ins for one node; Ray is real, but for `ray stop`, which would end every Ray of this machine."""
    job = str(10**6 + os.getpid())
    env = _slurm(tmp_path, job, ray=f'[ "$1" = stop ] || exec {RAY} "$@"', srun='while [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"')
    _skep(tmp_path / ".venv/bin")
    try:
        command = ["bash", str(FILES / "slurm.sh"), "smoke", str(tmp_path / "run"), "--set", "poses.count=4"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280)
    finally:
        for process in _processes_of(job):
            process.kill()
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "run/dataset/dataset.json").read_text())["samples"] == 4
    assert not Path(os.environ.get("TMPDIR", "/tmp"), f"skep-{job}.token").exists()


def _processes_of(job: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get("SLURM_JOB_ID") == job:
                yield process
        except psutil.Error:
            continue
