"""One launcher at a time on a run folder; the second is told who holds it.

On disks the lock file is held by `flock`, which the kernel releases when the holder dies, so no stale lock survives a
crash; the file says who holds it. A file that names another host is trusted, since flock may not reach across a shared
disk. On object stores a launcher holds a lease, see pipeline/lease.py.
"""

import fcntl
import json
import os
import secrets
import socket

from manifests.errors import UserError
from pipeline.lease import Lease
from pipeline.store import Store

NAME = "lock"


class RunLock:
    """Context manager; raises UserError where another launcher holds the folder."""

    def __init__(self, store: Store):
        self.store, self._who = store, _identity()
        self._fd = -1
        self._lease: Lease | None = None

    def __enter__(self) -> "RunLock":
        if self.store.is_local:
            self._hold_file()
        else:
            self._lease = Lease(self.store, NAME, self._who)
            self._lease.take()
        return self

    @property
    def mark(self) -> tuple[str, str]:
        """Name and content of a file that this launch alone has written."""
        return self._lease.mark if self._lease else (NAME, json.dumps(self._who))

    def check(self) -> None:
        """Raises UserError where the folder has been lost to another launcher."""
        if self._lease:
            self._lease.check()

    def __exit__(self, *_) -> None:
        if self._lease:
            self._lease.release()
        else:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)

    def _hold_file(self) -> None:
        path = self.store.path(NAME)
        try:
            os.makedirs(self.store.root, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as e:
            raise UserError(f"{self.store.url}: cannot write in this run folder ({e.strerror})") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._refuse(os.pread(self._fd, 4096, 0))
        before = os.pread(self._fd, 4096, 0)
        if before and _holder(before).get("host") not in (None, socket.gethostname()):
            self._refuse(before)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, self.mark[1].encode(), 0)
        os.fsync(self._fd)  # other nodes read it

    def _refuse(self, content: bytes) -> None:
        who = _holder(content)
        os.close(self._fd)
        holder = f"process {who.get('pid', '?')} on {who.get('host', '?')}"
        raise UserError(f"{self.store.url}: {holder} is running here; wait for it, or remove {NAME} if that machine is gone")


def _identity() -> dict:
    """slurm_job: docs/cluster/slurm.sh, started again, knows its own lock by it."""
    who = {"host": socket.gethostname(), "pid": os.getpid(), "launch": secrets.token_hex(8)}
    return who | {"slurm_job": os.environ.get("SLURM_JOB_ID", "")}


def _holder(content: bytes) -> dict:
    try:
        who = json.loads(content)
    except ValueError:
        return {}
    return who if isinstance(who, dict) else {}
