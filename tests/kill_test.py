"""`make kill-test KILLS=1000`: kills on one machine and on Ray, and the rules of other writers under the same kills.

Three of ten kills are on Ray. The last line is JSON.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from pipeline.executors.cluster import connect
from tests import peers
from tests.kills import Campaign, Tally
from tests.struck import environment
from tests.toy_run import WORKERS

SHARE_ON_RAY = 0.3


def own_cluster(folder: Path) -> str:
    """A Ray cluster whose workers can be struck; returns its address."""
    os.environ.update(environment(folder))
    connect(None, WORKERS)
    for name in environment(folder):
        del os.environ[name]
    import ray

    return ray.get_runtime_context().gcs_address


def peer(rule: str, folder: Path, kills: int, rng: random.Random) -> dict[str, int]:
    """Attempts that met the writer at work (kills), resumed runs of a rule that end with other bytes (wrong), or not at all (stuck), and
    kills that left half a file to be seen."""
    whole = folder / "whole"
    _peer(rule, whole)
    expected, counts = _contents(whole), Counter({"kills": 0, "wrong": 0, "stuck": 0, "seen": 0})
    for _ in range(kills):
        broken = folder / "broken"
        shutil.rmtree(broken, ignore_errors=True)
        counts["kills"] += _peer(rule, broken, rng.choice(peers.POINTS), str(rng.randint(1, peers.FILES))) == -signal.SIGKILL
        counts["seen"] += not _contents(broken).items() <= expected.items()
        stuck = _peer(rule, broken) != 0
        counts["stuck"] += stuck
        counts["wrong"] += not stuck and _contents(broken) != expected
    return dict(counts)


def _peer(rule: str, folder: Path, *fault: str) -> int:
    command = [sys.executable, "-S", "-m", "tests.peers", rule, str(folder), *fault]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode


def _contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.glob("*.bin"))}


def _say(name: str, tally: Tally, seconds: float) -> None:
    points = ", ".join(f"{n} {point}" for point, n in sorted(tally.kills.items()))
    print(f"{name}: {tally.total} kills ({points}) in {tally.runs} runs, {len(tally.wrong)} wrong, {seconds:.0f} s", flush=True)
    for sentence in tally.wrong:
        print(f"  {sentence}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    on_ray = round(args.kills * SHARE_ON_RAY)
    tallies = {}
    with tempfile.TemporaryDirectory() as temp:
        for name, kills in (("local", args.kills - on_ray), ("ray", on_ray)):
            began, folder = time.monotonic(), Path(temp, name)
            campaign = Campaign(folder, args.seed, own_cluster(folder) if name == "ray" else None)
            tallies[name] = campaign.until(kills)
            _say(name, tallies[name], time.monotonic() - began)
        rivals = {rule: peer(rule, Path(temp, rule), args.kills, random.Random(args.seed)) for rule in peers.RULES}
    for rule, counts in rivals.items():
        print(f"{rule}: {counts['kills']} kills, {counts['wrong']} runs wrong, {counts['stuck']} stuck, ", end="")
        print(f"half a file to be seen {counts['seen']} times")
    total, bad = sum(t.total for t in tallies.values()), sum(len(t.wrong) for t in tallies.values())
    print(json.dumps({"kills": total, "wrong": bad, "runs": {n: t.runs for n, t in tallies.items()}, "peers": rivals}))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
