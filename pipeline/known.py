"""What is known of every unit, in 32 bytes each: a launcher holds the states of all units for as long as it runs."""

import struct
import threading
from collections import defaultdict
from typing import NamedTuple

from pipeline.plan import Unit

_RECORD = struct.Struct("=I16s3I")  # which kind and why, lineage, rows
_NO_LINEAGE = bytes(16)


class State(NamedTuple):
    """done, stale or to do, and why; of the unit's marker, where it has one, the lineage and the rows."""

    kind: str
    why: str = ""
    lineage: str = ""
    made: int = 0
    rejected: int = 0
    failed: int = 0

    @classmethod
    def of(cls, kind: str, why: str, lineage: str, rows: dict[str, int]) -> "State":
        return cls(kind, why, lineage, rows["made"], rows["rejected"], rows["failed"])


class Known:
    """States by unit. Those of partitions are records in their number's place, the few others stay as they are."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], bytearray] = defaultdict(bytearray)
        self._others: dict[tuple[str, str], State] = {}
        self._words: list[tuple[str, str]] = [("", "")]  # kind and why; many units have the same
        self._numbers: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def get(self, unit: Unit) -> State | None:
        if unit.partition is None:
            return self._others.get(unit.key)
        records, at = self._records[unit.stage, unit.partition.style], unit.partition.index * _RECORD.size
        if at >= len(records):
            return None
        number, lineage, made, rejected, failed = _RECORD.unpack_from(records, at)
        if not number:
            return None
        kind, why = self._words[number]
        return State(kind, why, lineage.hex() if lineage != _NO_LINEAGE else "", made, rejected, failed)

    def put(self, unit: Unit, state: State) -> None:
        if unit.partition is None:
            self._others[unit.key] = state
            return
        with self._lock:
            records, at = self._records[unit.stage, unit.partition.style], unit.partition.index * _RECORD.size
            records.extend(bytes(max(0, at + _RECORD.size - len(records))))
            lineage = bytes.fromhex(state.lineage) or _NO_LINEAGE
            _RECORD.pack_into(records, at, self._number(state), lineage, state.made, state.rejected, state.failed)

    def _number(self, state: State) -> int:
        word = (state.kind, state.why)
        if word not in self._numbers:
            self._numbers[word] = len(self._words)
            self._words.append(word)
        return self._numbers[word]
