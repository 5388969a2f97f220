"""Runs that are killed again and again, at named points and at random moments, until they are done; then they are judged."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pipeline.run import run
from tests.conftest import tree
from tests.faults import POINTS
from tests.struck import environment, plan_file
from tests.toy import SPECS
from tests.toy_run import WORKERS, recipe

# One unit survives seven kills; the eighth from outside tells of a machine that is too small.
STRIKES = 7
PASSAGES = 10
SHARE_OF_RANDOM_KILLS = 0.35
MOMENTS_S = 0.6  # after the first unit, within which a kill may come


@dataclass
class Tally:
    """kills by point; wrong: finished runs that differ, left something behind or did more than one unit a worker and kill again."""

    kills: Counter = field(default_factory=Counter)
    runs: int = 0
    wrong: list[str] = field(default_factory=list)
    repeated: int = 0

    @property
    def total(self) -> int:
        return sum(self.kills.values())


class Campaign:
    """Kills runs below `folder`. `ray`: address of a cluster whose nodes were started with `environment(folder)`."""

    def __init__(self, folder: Path, seed: int, ray: str | None = None):
        self.folder, self.ray, self.rng, self.tally = folder, ray, random.Random(seed), Tally()
        self._starts = folder / "starts"  # a word for every unit that was begun
        folder.mkdir(parents=True, exist_ok=True)
        run(recipe(), str(folder / "reference"), SPECS, quiet=True)
        self.expected = tree(folder / "reference")

    def until(self, kills: int) -> Tally:
        while self.tally.total < kills:
            self._one_run()
            print(f"{self.tally.total} of {kills} kills, {len(self.tally.wrong)} wrong", file=sys.stderr, flush=True)
        return self.tally

    def _one_run(self) -> None:
        run_folder, before = self.folder / "run", self.tally.total
        shutil.rmtree(run_folder, ignore_errors=True)
        self._starts.write_text("")
        while self._launch(run_folder) != 0:
            pass
        self.tally.runs += 1
        self._judge(run_folder, self.tally.total - before)

    def _launch(self, run_folder: Path) -> int:
        flags = self.folder / "flags"
        shutil.rmtree(flags, ignore_errors=True)
        flags.mkdir()
        points = [(self.rng.choice(POINTS), self.rng.randint(1, PASSAGES)) for _ in range(self.rng.randint(3, STRIKES))]
        strikes = [(*p, self.rng.choice(("self", "self", "self", "parent"))) for p in dict.fromkeys(points)]
        plan_file(self.folder).write_text(json.dumps({"strikes": strikes, "flags": str(flags), "starts": str(self._starts)}))
        command = [sys.executable, "-m", "tests.toy_run", str(run_folder), *([self.ray] if self.ray else [])]
        begun = self._starts.stat().st_size
        process = subprocess.Popen(
            command, env=os.environ | environment(self.folder), start_new_session=True, stderr=subprocess.PIPE, text=True
        )
        if self.rng.random() < SHARE_OF_RANDOM_KILLS:
            self._kill_at_random(process, begun)
        said = process.communicate(timeout=240)[1]
        self.tally.kills.update(f.name.rpartition("-")[0].rpartition("-")[0] for f in sorted(flags.iterdir()))
        if process.returncode not in (0, -signal.SIGKILL):
            self.tally.wrong.append(f"a launch ended with {process.returncode}: {said.strip().splitlines()[-1:]}")
            return 0
        return process.returncode

    def _kill_at_random(self, process: subprocess.Popen, begun: int) -> None:
        """Some time after the launch has begun a unit: the launcher alone, or all processes of this machine that belong to it, or one
        worker that it has to notice."""
        while self._starts.stat().st_size == begun:
            if _ends_within(process, 0.02):
                return
        if _ends_within(process, self.rng.uniform(0, MOMENTS_S)):
            return
        children = psutil.Process(process.pid).children()
        target = self.rng.choice(("launcher", "group", "worker"))
        if target == "worker" and children:
            self.rng.choice(children).kill()
            time.sleep(self.rng.uniform(0, 0.2))
            self.tally.kills["random"] += 1
        if target == "group":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        self.tally.kills["random"] += 1

    def _judge(self, run_folder: Path, kills: int) -> None:
        starts = Counter(self._starts.read_text().split())
        again = sum(starts.values()) - len(starts)
        self.tally.repeated = max(self.tally.repeated, again)
        if tree(run_folder) != self.expected:
            self.tally.wrong.append("a run that was resumed differs from one that was not interrupted")
        if sorted(run_folder.rglob("*.tmp")):
            self.tally.wrong.append("a temporary file was left")
        if again > kills * WORKERS:
            self.tally.wrong.append(f"{again} units were begun again after {kills} kills")


def _ends_within(process: subprocess.Popen, seconds: float) -> bool:
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False
