"""A lease on a folder of an object store, from nothing but conditional PUTs that create and plain ones that renew.

Holders are numbered: `lock/000007` belongs to the seventh launcher. Whoever creates the next number holds the folder; a
store lets one launcher alone create it. The holder writes its own object again and again; once that has not happened for
a while, by the store's clock alone, or the object says `released`, the next number may be taken. A holder that finds a
number after its own has lost and stops. Numbers are never removed, so the last one is found by asking for names: no
listing has to be complete, and no clock of ours has to be right.
"""

import json
import threading

from manifests.errors import UserError, first_line
from pipeline.store import Store

LEASE_S = 60.0
_RENEWALS = 4  # in the time of a lease


class Lease:
    """Held from `take` to `release`; a thread renews it."""

    def __init__(self, store: Store, folder: str, who: dict, seconds: float = LEASE_S):
        self.store, self._folder, self._who, self._seconds = store, folder, who, seconds
        self._number = 0
        self._lost = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def take(self) -> None:
        """Raises UserError naming the holder where there is one."""
        try:
            self._number = self._take()
        except UserError:
            raise
        except Exception as e:  # no bucket, no permission, no credentials: each library has its own ways to say so
            raise UserError(f"{self.store.url}: cannot write in this run folder ({first_line(e)})") from None
        self._thread.start()

    def _take(self) -> int:
        last = self._last()
        if last:
            self._refuse_if_alive(last)
        try:
            self.store.put(self._name(last + 1), self._content(), mode="create")
        except FileExistsError:
            self._refuse_if_alive(last + 1)
            raise UserError(f"{self.store.url}: another launcher was faster; try again") from None
        return last + 1

    @property
    def mark(self) -> tuple[str, str]:
        """Name and content of the holder's object."""
        return self._name(self._number), self._content().decode()

    def check(self) -> None:
        """Raises UserError once another launcher has taken the folder, or may since nothing renews the lease."""
        lost = self._lost or ("" if self._thread.is_alive() else "its lease is no longer renewed")
        if lost:
            raise UserError(f"{self.store.url}: {lost}; what is committed stays, run the same command to resume")

    def release(self) -> None:
        """The next launcher need not wait."""
        self._stop.set()
        self._thread.join()
        if not self._lost:
            self.store.put(self._name(self._number), self._content(released=True))

    def _keep(self) -> None:
        while not self._stop.wait(self._seconds / _RENEWALS):
            try:
                self.store.put(self._name(self._number), self._content())
                if self.store.exists(self._name(self._number + 1)):
                    self._lost = "this launcher was silent for too long and another has taken over"
                    return
            except Exception:  # the store cannot be reached, for which each library has errors of its own, not all an OSError
                continue  # if that lasts, somebody else will take over

    def _refuse_if_alive(self, number: int) -> None:
        held = json.loads(self.store.read(self._name(number)))
        age = self._age(number)
        if not held.get("released") and age < held.get("lease_s", self._seconds):
            raise UserError(
                f"{self.store.url}: process {held.get('pid', '?')} on {held.get('host', '?')} is running here, heard of {age:.0f} s ago; "
                f"wait for it, or {held['lease_s']:.0f} s after its death"
            )

    def _age(self, number: int) -> float:
        """Seconds since the holder was heard of, by the store's clock: compared with an object that is written now."""
        now = f"{self._folder}/now"
        self.store.put(now, b"")
        return (self.store.modified(now) - self.store.modified(self._name(number))).total_seconds()

    def _last(self) -> int:
        """The highest number that there is; all below it are there too."""
        high = 1
        while self.store.exists(self._name(high)):
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.store.exists(self._name(middle)) else (low, middle)
        return low

    def _name(self, number: int) -> str:
        return f"{self._folder}/{number:06d}"

    def _content(self, released: bool = False) -> bytes:
        return json.dumps({**self._who, "lease_s": self._seconds, "released": released}).encode()
