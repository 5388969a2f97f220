"""Digests of the files behind a recipe's paths; a file that has not changed since the last launch is not read again.

Kept in the user's cache folder, by path, size, times and inode of each file. Losing the cache costs time alone.
"""

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

from manifests.errors import UserError
from manifests.files import files_below

# A file changed as recently as this may change again without its times showing it.
SETTLED_NS = 2_000_000_000


def cache_file() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skep" / "digests.json"


class Digests:
    """sha256 of files and folders."""

    def __init__(self):
        self._file = cache_file()
        self._known: dict[str, list] | None = None  # path -> [size, mtime, ctime, inode, sha256]
        self._changed = False

    def of(self, path: Path) -> str:
        """sha256 of a file, or of the names and contents of a folder's files. Raises UserError where it cannot be read."""
        try:
            if path.is_dir():
                parts = [f"{p.relative_to(path)}:{self._of_file(p)}" for p in files_below(path)]
                return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()  # names need not be UTF-8
            return self._of_file(path)
        except OSError as e:
            raise UserError(f"{path}: cannot read ({e.strerror})") from None

    def save(self) -> None:
        """Remember what was learnt; a cache that cannot be written is no reason to stop."""
        if not self._changed:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._file.parent, delete=False) as temp:
                json.dump(self._known, temp)
            os.replace(temp.name, self._file)
        except OSError:
            pass

    def _of_file(self, path: Path) -> str:
        with open(path, "rb") as file:
            look = os.fstat(file.fileno())
            stamp = [look.st_size, look.st_mtime_ns, look.st_ctime_ns, look.st_ino]
            known = self._load().get(str(path.absolute()))
            if known and known[:-1] == stamp:
                return known[-1]
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if abs(time.time_ns() - max(look.st_mtime_ns, look.st_ctime_ns)) > SETTLED_NS:
            self._load()[str(path.absolute())] = [*stamp, digest]
            self._changed = True
        return digest

    def _load(self) -> dict[str, list]:
        if self._known is None:
            try:
                known = json.loads(self._file.read_text())
                self._known = known if isinstance(known, dict) else {}
            except (OSError, ValueError):
                self._known = {}
        return self._known
