"""SIGKILL of real processes at random moments: what is resumed equals what was never interrupted, byte for byte."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from pipeline.run import run
from tests.conftest import tree
from tests.toy import SPECS
from tests.toy_run import recipe

KILLS = 50


def _start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "tests.toy_run", str(folder)], start_new_session=True, stderr=subprocess.DEVNULL)


def _kill(process: subprocess.Popen, rng: random.Random) -> None:
    """The launcher alone, everything, or one worker that the launcher has to notice."""
    children = psutil.Process(process.pid).children()
    target = rng.choice(("launcher", "group", "worker"))
    if target == "worker" and children:
        rng.choice(children).kill()
        time.sleep(rng.uniform(0, 0.2))
    if target == "group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def test_fifty_kills_change_no_byte(tmp_path):
    rng = random.Random(7)
    reference, folder = tmp_path / "reference", tmp_path / "killed"
    run(recipe(), str(reference), SPECS, quiet=True)
    expected, kills = tree(reference), 0
    while kills < KILLS:
        process = _start(folder)
        time.sleep(rng.uniform(0.2, 1.6))
        if process.poll() is not None:  # it was done before the blow: check it, and start from nothing
            assert process.returncode == 0
            assert tree(folder) == expected
            shutil.rmtree(folder)
            continue
        _kill(process, rng)
        kills += 1
    final = _start(folder)
    assert final.wait(timeout=120) == 0
    assert tree(folder) == expected
    assert not list(folder.rglob("*.tmp"))
