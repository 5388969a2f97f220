"""Finds the samples that a stage cannot take, without losing those beside them.

A call that raises is split until single samples are left. A call that takes its process down cannot report; whoever
watches the process counts the death against the range that was being tried, and the next attempt splits that range.
A sample is guilty only when it was alone in the call, twice.
"""

import hashlib
import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from manifests.errors import UserError

PIECES = 8
STRIKES = 2
# Of torch, which is not loaded here: what it raises where a GPU fails or memory runs out, and where a network cannot be compiled.
_DEVICE = ("OutOfMemoryError", "AcceleratorError")
_DEVICE_SAYS = ("CUDA error", "CUDNN_STATUS", "CUBLAS_STATUS", "not enough memory", "out of memory")
_COMPILER = ("torch._dynamo", "torch._inductor")


@dataclass
class Deaths:
    """Ranges of rows whose processing ended a process, with the reasons, as a watcher saw them."""

    ranges: dict[tuple[int, int], list[str]] = field(default_factory=dict)

    def add(self, low: int, high: int, reason: str) -> None:
        self.ranges.setdefault((low, high), []).append(reason)

    def to_json(self) -> str:
        return json.dumps([[*r, reasons] for r, reasons in self.ranges.items()])

    @classmethod
    def from_json(cls, text: str) -> "Deaths":
        return cls({(low, high): reasons for low, high, reasons in json.loads(text)})


@dataclass(frozen=True)
class Failure:
    """A guilty sample."""

    row: int
    reason: str
    digest: str


Process = Callable[[pa.Table], pa.Table]
Trying = Callable[[int, int], None]


def isolate(process: Process, table: pa.Table, deaths: Deaths, trying: Trying) -> tuple[list[pa.Table], list[Failure]]:
    """Outputs of all the rows that can be processed, in order, and the failures of the rest."""
    outputs: list[pa.Table] = []
    failures: list[Failure] = []
    pending = [(0, len(table))]
    while pending:
        low, high = pending.pop(0)
        seen = deaths.ranges.get((low, high), [])
        alone = high - low == 1
        if alone and len(seen) >= STRIKES:
            failures.append(Failure(low, seen[-1], digest_of_reason(seen[-1])))
        elif seen and not alone:
            pending[:0] = split(low, high)
        else:
            trying(low, high)
            output, error = _attempt(process, table.slice(low, high - low), tries=STRIKES if alone else 1)
            if output is not None:
                outputs.append(output)
            elif alone:
                failures.append(Failure(low, _reason(error), _traceback_digest(error)))
            else:
                pending[:0] = split(low, high)
    return outputs, failures


def split(low: int, high: int) -> list[tuple[int, int]]:
    """Up to PIECES parts of a range, none empty."""
    step = -(-(high - low) // PIECES)
    return [(a, min(a + step, high)) for a in range(low, high, step)]


def digest_of_reason(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _attempt(process: Process, rows: pa.Table, tries: int) -> tuple[pa.Table | None, Exception]:
    error = Exception()
    for _ in range(tries):
        try:
            return process(rows), error
        except Exception as e:
            if _no_samples_fault(e):
                raise
            error = e
    return None, error


def fault_of_device(error: BaseException) -> bool:
    """Whether a GPU failed, or memory ran out: another process may do well with the same samples, this one cannot be trusted."""
    return type(error).__name__ in _DEVICE or (isinstance(error, RuntimeError) and any(word in str(error) for word in _DEVICE_SAYS))


def _no_samples_fault(error: Exception) -> bool:
    """Whether it is a bad recipe, a full machine, a broken stage or a device that fails."""
    known = isinstance(error, (UserError, MemoryError, AssertionError))
    return known or fault_of_device(error) or type(error).__module__.startswith(_COMPILER)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def _traceback_digest(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return digest_of_reason("\n".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.name}:{f.line}" for f in frames) + type(error).__name__)
