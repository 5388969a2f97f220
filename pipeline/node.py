"""Work that is done once on each machine, whichever of its workers comes first."""

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

_SUFFIX = ".done"


def once_per_node(run: str, name: str, work: Callable[[], None]) -> None:
    """Do it, or wait until another process of this machine has done it under the same name for the same run."""
    folder = _folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    with open(folder / f"{run}-{name}{_SUFFIX}", "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.tell():
            return
        work()
        file.write(b"done")


def marks(run: str) -> list[Path]:
    """What a run has done once on this machine."""
    return sorted(path for path in _folder().glob(f"*{_SUFFIX}") if path.name.startswith(f"{run}-"))


def forget(run: str) -> None:
    """Remove them; the run is over."""
    for path in marks(run):
        path.unlink(missing_ok=True)


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"skep-{os.getuid()}"
