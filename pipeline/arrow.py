"""Keeps Arrow from importing pandas, which costs each worker half a second and is used for nothing here."""

import sys

import pyarrow as pa


class _NoPandas:
    """Stands in the way of one import."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "pandas":
            raise ImportError(name)


def leave_pandas_alone() -> None:
    """Arrow looks for pandas at its first list of values and remembers the answer; let the answer be no.

    Only `to_pandas` is lost with it, and only in this process; a stage may still import pandas itself.
    """
    sys.meta_path.insert(0, _NoPandas)  # type: ignore[arg-type]
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(_NoPandas)  # type: ignore[arg-type]
