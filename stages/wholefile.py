"""Files that are written whole or not at all."""

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_atomically(path: Path, data: bytes, shared: bool = False) -> None:
    """The file appears under its name complete and on disk, or the old one stays. shared: other processes may write it meanwhile."""
    writer = f".{socket.gethostname()}.{os.getpid()}" if shared else ""  # one name for all else, so that kills leave one file at most
    beside = path.with_name(f".{path.name}{writer}.part")
    try:
        with beside.open("wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(beside, path)
    except OSError as e:
        with suppress(OSError):
            beside.unlink()
        raise OSError(e.errno, e.strerror, str(path)) from None  # a full disk does not say what did not fit


def write_json(path: Path, words: Any, in_order: bool = True, shared: bool = False) -> None:
    """Words as JSON for people, in their own order or sorted by name."""
    write_atomically(path, json.dumps(words, indent=1, sort_keys=not in_order).encode() + b"\n", shared)
