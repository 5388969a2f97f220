"""Whatever samples are bad, exactly those are found, and the others come out in order."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UserError
from pipeline.isolation import STRIKES, Deaths, isolate, split


@given(st.integers(1, 1000), st.integers(0, 50))
def test_pieces_cover_a_range_once(size, low):
    pieces = split(low, low + size)
    assert [i for a, b in pieces for i in range(a, b)] == list(range(low, low + size))
    assert len(pieces) <= 8 and all(a < b for a, b in pieces)


@given(st.integers(1, 80), st.sets(st.integers(0, 79)))
def test_raising_rows_are_found(size, bad):
    def process(rows):
        if bad & set(rows["n"].to_pylist()):
            raise ValueError("bad row")
        return rows

    outputs, failures = isolate(process, pa.table({"n": list(range(size))}), Deaths(), lambda low, high: None)
    assert [f.row for f in failures] == sorted(b for b in bad if b < size)
    assert pa.concat_tables([pa.table({"n": pa.array([], pa.int64())}), *outputs])["n"].to_pylist() == [
        i for i in range(size) if i not in bad
    ]


class Died(BaseException):
    """Stands for the end of the process."""


@given(st.integers(1, 80), st.sets(st.integers(0, 79), max_size=5))
def test_deadly_rows_are_found_by_a_watcher(size, bad):
    """As an executor does: note what was being tried when the process ended, and start again."""

    def process(rows):
        if bad & set(rows["n"].to_pylist()):
            raise Died
        return rows

    deaths, tried = Deaths(), []
    attempts = 0
    while attempts < 200:
        try:
            _, failures = isolate(process, pa.table({"n": list(range(size))}), deaths, lambda low, high: tried.append((low, high)))
            break
        except Died:
            attempts += 1
            deaths.add(*tried[-1], "died")
            deaths = Deaths.from_json(deaths.to_json())
    expected = sorted(b for b in bad if b < size)
    assert [f.row for f in failures] == expected
    assert all(len(deaths.ranges[b, b + 1]) == STRIKES for b in expected)
    assert attempts <= 6 * len(expected)


@pytest.mark.parametrize(
    "error",
    [
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"),
        type("AcceleratorError", (RuntimeError,), {})("an illegal memory access"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
        type("InvalidCxxCompiler", (RuntimeError,), {"__module__": "torch._inductor.exc"})("no compiler"),
        MemoryError(),
        UserError("no such body"),
    ],
)
def test_what_is_no_samples_fault_is_put_on_none(error):
    calls = []

    def process(rows):
        calls.append(rows)
        raise error

    with pytest.raises(type(error)):
        isolate(process, pa.table({"n": [1, 2]}), Deaths(), lambda low, high: None)
    assert len(calls) == 1


def test_a_row_that_fails_once_is_innocent():
    calls = []

    def process(rows):
        calls.append(rows)
        if len(calls) == 1:
            raise OSError("a hiccup")
        return rows

    outputs, failures = isolate(process, pa.table({"n": [1]}), Deaths(), lambda low, high: None)
    assert not failures and len(outputs) == 1
