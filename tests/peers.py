"""How other writers of datasets resume, under the same kills: `python -m tests.peers RULE FOLDER [POINT PASSAGE]`.

skip-if-exists: a file that is there is done (most scripts). json-marker: statistics are written after the data and read
when resuming (as img2dataset's `_stats.json`). empty-marker: an empty file after the data (as `_SUCCESS`). All write
under the final name. Nothing but the standard library, so that a kill costs little.
"""

import hashlib
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

RULES = ("skip-if-exists", "json-marker", "empty-marker")
# Where such a writer can be hit; it has neither a temporary file nor an fsync.
POINTS = ("before-file", "mid-file", "before-marker", "mid-marker")
FILES, BLOCKS = 8, 4

_passages: Counter[str] = Counter()


def _pass_by(point: str) -> None:
    _passages[point] += 1
    if sys.argv[3:] == [point, str(_passages[point])]:
        os.kill(os.getpid(), signal.SIGKILL)


def _block(file: int, block: int) -> bytes:
    return hashlib.sha256(f"{file}/{block}".encode()).digest() * 1000


def _done(rule: str, data: Path, marker: Path) -> bool:
    if rule == "json-marker" and marker.exists():
        return json.loads(marker.read_text())["blocks"] == BLOCKS
    return (data if rule == "skip-if-exists" else marker).exists()


def _mark(rule: str, marker: Path) -> None:
    _pass_by("before-marker")
    text = {"json-marker": json.dumps({"blocks": BLOCKS, "bytes": 32_000 * BLOCKS}), "empty-marker": ""}.get(rule)
    if text is not None:
        with open(marker, "w") as file:
            file.write(text[: len(text) // 2])
            file.flush()
            _pass_by("mid-marker")
            file.write(text[len(text) // 2 :])


def main(rule: str, folder: Path) -> None:
    """Write what is missing, by the rule."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        data, marker = folder / f"{number}.bin", folder / f"{number}.done"
        if _done(rule, data, marker):
            continue
        _pass_by("before-file")
        with open(data, "wb") as file:
            for block in range(BLOCKS):
                file.write(_block(number, block))
                file.flush()
                _pass_by("mid-file")
        _mark(rule, marker)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
