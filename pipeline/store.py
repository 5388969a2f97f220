"""A run folder behind an fsspec URL. A reader never sees half a file: written beside, fsynced, then renamed.

On object stores one PUT publishes a whole object, so there is nothing to rename and no temporary file.
"""

import hashlib
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from manifests.errors import UserError

RECIPE_FILE = "recipe.yaml"
TEMP_PREFIX, TEMP_SUFFIX = ".", ".tmp"
_ONE_SLASH = re.compile(r"(?!file:)[a-z][a-z0-9]+:/(?!/)")
_OURS = re.compile(r"\..+\.\d+\.tmp")  # .<name>.<host>.<process>.tmp
ONE_PUT = 5 << 30  # the most that S3 takes in one request
# gcsfs alone: its newer half asks for the kind of each bucket by gRPC, and what it writes to zonal ones obeys no condition.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")


class Store:
    """Files of one run, by names relative to its root such as `poses/cartoon-p00000.parquet`."""

    def __init__(self, url: str):
        try:
            # A listing that is kept would hide what other processes have written since.
            self.fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ValueError, ImportError) as e:
            raise UserError(f"{url}: cannot use this address ({e})") from None
        self.url, self.root = url, root.rstrip("/")
        self.is_local = isinstance(self.fs, LocalFileSystem)
        if self.is_local and _ONE_SLASH.match(url):
            raise UserError(f"{url}: neither a folder nor an address; did you mean {url.replace(':/', '://', 1)}?")
        self.is_memory = isinstance(self.fs, MemoryFileSystem)
        self.parts_large_objects = bool({"s3", "gs"} & set(_protocols(self.fs)))
        self.address = self.root if self.is_local else url  # the same place, whatever folder a process works in

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        return self.fs.exists(self.path(name))

    def read(self, name: str) -> bytes:
        return self.fs.cat_file(self.path(name))

    def open(self, name: str) -> Any:
        return self.fs.open(self.path(name), "rb")

    def list(self, folder: str) -> list[str]:
        """Sorted names of the files in a folder, temporary ones left out; empty where there is no such folder."""
        if not self.fs.exists(self.path(folder)):
            return []
        self.fs.invalidate_cache(self.path(folder))
        names = (p.rpartition("/")[2] for p in self.fs.ls(self.path(folder), detail=False))
        return sorted(n for n in names if not n.startswith(TEMP_PREFIX))

    def write(self, name: str, data: bytes) -> None:
        """Publish one file, whole or not at all."""
        with self.stage(name) as staged:
            staged.file.write(data)
            staged.seal()
            staged.publish()
        self.sync_folder(name)

    def put(self, name: str, data: bytes, **conditions) -> None:
        """One request that makes a whole object; on object stores only. Large ones too, so that none is ever seen in parts."""
        self.fs.pipe_file(self.path(name), data, **({"chunksize": ONE_PUT} if self.parts_large_objects else {}), **conditions)

    def stage(self, name: str) -> "StagedFile":
        """A file to fill, seal and later publish under `name`."""
        return StagedFile(self, name)

    def modified(self, name: str) -> datetime:
        """When the store says a file was last written."""
        return self.fs.modified(self.path(name))

    def remove(self, name: str) -> None:
        if self.exists(name):
            self.fs.rm_file(self.path(name))

    def sync_folder(self, name: str) -> None:
        """Make the renames in the folder of `name` survive a power loss."""
        if self.is_local:
            fd = os.open(os.path.dirname(self.path(name)), os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def sweep(self) -> int:
        """Remove what interrupted writers left behind; only the holder of the run's lock may call it."""
        if not self.is_local:
            return 0
        left = list(_left_in(self.root))
        for path in left:
            Path(path).unlink(missing_ok=True)
        return len(left)


def _protocols(fs: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _left_in(folder: str) -> Iterator[str]:
    """Temporary files of a folder and those below; one entry at a time, as there may be a million."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not os.path.exists(f"{entry.path}/{RECIPE_FILE}"):  # another run's are its own
                    yield from _left_in(entry.path)
            elif _OURS.fullmatch(entry.name):
                yield entry.path


class StagedFile:
    """A file that exists under its final name only after `publish`. `file` takes its bytes."""

    def __init__(self, store: Store, name: str):
        self.store, self.name = store, name
        self._raw: Any
        if store.is_local:
            target = Path(store.path(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            # Host and process id keep a dying worker of an earlier launch, or of a lost node, off this one's file.
            self._temp = target.with_name(f"{TEMP_PREFIX}{target.name}.{socket.gethostname()}.{os.getpid()}{TEMP_SUFFIX}")
            self._raw = open(self._temp, "wb")  # noqa: SIM115 - closed by seal or discard
        else:
            self._raw = tempfile.SpooledTemporaryFile(max_size=1 << 26)  # noqa: SIM115
        self.file: Any = HashedFile(self._raw)

    def seal(self) -> None:
        """Everything is written: force it to the disk."""
        self._raw.flush()
        if self.store.is_local:
            os.fsync(self._raw.fileno())
            self._raw.close()

    def publish(self) -> None:
        """Let the file appear under its name."""
        if self.store.is_local:
            os.replace(self._temp, self.store.path(self.name))
            return
        self._raw.seek(0)
        self.store.put(self.name, self._raw.read())
        self._raw.close()

    def discard(self) -> None:
        self._raw.close()
        if self.store.is_local:
            self._temp.unlink(missing_ok=True)

    def __enter__(self) -> "StagedFile":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind:
            self.discard()


class HashedFile:
    """The write side of a staged file; knows the size and sha256 so far. Not seekable, as the sum could not follow."""

    def __init__(self, raw):
        self._raw, self._hash = raw, hashlib.sha256()
        self.size, self.closed = 0, False

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data) -> int:
        size = memoryview(data).nbytes
        self._hash.update(data)
        self._raw.write(data)
        self.size += size
        return size

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False
