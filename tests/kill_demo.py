"""`make kill-demo`: `make demo` is killed at random moments, all its processes at once, and started again until it is done; then its
bytes are compared with those of a demo that nobody touched. The last line is JSON.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from tests.conftest import tree

ROOT = Path(__file__).parents[1]
# What says how long something took: the page, the log of the training, and tables with milliseconds in them.
TIMED = ("report.html", "estimator/lifter/tensorboard", "estimator/evaluation.", "estimator/paired.json", "estimator/judged.parquet")


def demo(folder: Path, seconds: float | None = None) -> int:
    """`make demo` into a folder, killed after so many seconds; its exit status."""
    command = ["make", "--silent", "demo", f"RUN={folder}"]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def contents(folder: Path) -> dict[str, str]:
    """sha256 of every file that must not depend on what happened to the run."""
    return {name: digest for name, digest in tree(folder).items() if not name.startswith(TIMED)}


def campaign(folder: Path, kills: int, rng: random.Random) -> dict:
    """Seconds of a whole demo, kills that met one at work, and names of the files that differ afterwards."""
    began = time.monotonic()
    if demo(folder / "whole"):
        sys.exit("the demo failed without being killed")
    seconds = time.monotonic() - began
    print(f"a whole demo: {seconds:.0f} s", flush=True)
    moments = [0.0, *sorted(rng.uniform(0, seconds) for _ in range(kills))]
    struck = 0
    for before, after in pairwise(moments):  # what is done is kept, so the moments lie all over the demo
        struck += demo(folder / "killed", after - before) == -signal.SIGKILL
        print(f"killed after {after:.0f} s of work", flush=True)
    status = demo(folder / "killed")
    whole, killed = contents(folder / "whole"), contents(folder / "killed")
    differ = sorted(name for name in whole.keys() | killed.keys() if whole.get(name) != killed.get(name))
    return {"seconds": round(seconds), "kills": struck, "status": status, "files": len(whole), "differ": differ}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("runs/kill-demo"), help="emptied, and left to be looked at")
    args = parser.parse_args()
    folder = args.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    found = campaign(folder, args.kills, random.Random(args.seed))
    print(json.dumps(found))
    sys.exit(bool(found["status"] or found["differ"]))


if __name__ == "__main__":
    main()
