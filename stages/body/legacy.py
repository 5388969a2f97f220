"""Official SMPL files are pickles of numpy, scipy and chumpy objects. This reads their arrays and runs nothing that they ask for.

An unpickler calls whatever a pickle names. Ours knows a handful of names, all harmless; any other is refused with a sentence.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from manifests.errors import UserError

_DAMAGED = (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, MemoryError, OverflowError,
            UnicodeDecodeError, ImportError, RecursionError, SystemError)  # fmt: skip


def read_pickle(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of a body pickle under those of `keys` that it has. Raises UserError naming the file."""
    try:
        content = _Reader(io.BytesIO(path.read_bytes()), path).load()
    except UserError:
        raise
    except OSError as e:
        raise UserError(f"{path}: cannot read this body file ({e.strerror})") from None
    except _DAMAGED:
        raise UserError(f"{path}: not a whole pickle of a body") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: this pickle holds no table of arrays")
    return {key: _array(path, key, content[key]) for key in keys if key in content}


class _Stub:
    """Stands for an object of chumpy or scipy: keeps what the pickle says of it, and does nothing."""

    def __init__(self, *args: Any) -> None:
        self.state: dict = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


class _Chumpy(_Stub):
    """chumpy.Ch keeps its numbers in `x`; chumpy.reordering.Select picks `idxs` of another's."""

    def numbers(self) -> np.ndarray:
        if "x" in self.state:
            return _plain(self.state["x"])
        picked = _plain(self.state["a"]).ravel()[np.asarray(self.state["idxs"], np.int64)]
        shape = self.state.get("preferred_shape")
        return picked if shape is None else picked.reshape([int(n) for n in shape])


class _Sparse(_Stub):
    """A matrix in compressed columns (or rows, or coordinates), made dense."""

    def numbers(self) -> np.ndarray:
        shape = tuple(int(n) for n in self.state["_shape" if "_shape" in self.state else "shape"])
        data = np.asarray(self.state["data"], np.float64)
        if "row" in self.state:
            rows, columns = self.state["row"], self.state["col"]
        else:
            along, counts = np.asarray(self.state["indices"]), np.diff(self.state["indptr"])
            across = np.repeat(np.arange(len(counts)), counts)
            rows, columns = (along, across) if len(counts) == shape[1] else (across, along)
        dense = np.zeros(shape)
        np.add.at(dense, (rows, columns), data)
        return dense


def _object(cls: Any, base: Any, state: Any) -> Any:
    """What copyreg._reconstructor does, for stubs alone."""
    if not (isinstance(cls, type) and issubclass(cls, _Stub)):
        raise pickle.UnpicklingError("not a stub")
    return cls()


def _empty(cls: Any, shape: Any, kind: Any) -> np.ndarray:
    """numpy's _reconstruct: an empty array, which the pickle then fills."""
    return np.ndarray((0,), np.int8)


def _bytes(text: Any, encoding: Any) -> bytes:
    """_codecs.encode, as pickles of protocol 2 write bytes."""
    return str(text).encode("latin-1")


def _scalar(kind: np.dtype, data: Any = b"") -> Any:
    """numpy's scalar, of a plain type only."""
    if not isinstance(kind, np.dtype) or kind.hasobject:
        raise pickle.UnpicklingError("not a plain number")
    return np.frombuffer(data if isinstance(data, bytes) else str(data).encode("latin-1"), kind)[0]


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _empty for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    ("_codecs", "encode"): _bytes,
    **{(module, "_reconstructor"): _object for module in ("copy_reg", "copyreg")},
    **{(module, "object"): object for module in ("__builtin__", "builtins")},
}  # fmt: skip


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, path: Path):
        super().__init__(file, encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module.split(".")[0] == "chumpy" and name in ("Ch", "Select"):
            return _Chumpy
        if module.startswith("scipy.sparse") and name in ("csc_matrix", "csr_matrix", "coo_matrix", "csc_array", "csr_array"):
            return _Sparse
        raise UserError(f"{self._path}: this pickle asks for {module}.{name}, which no body needs; it was not run and the file is refused")

    def persistent_load(self, pid: Any) -> Any:
        raise UserError(f"{self._path}: this pickle points outside itself; the file is refused")


def _plain(value: Any) -> np.ndarray:
    return value.numbers() if isinstance(value, (_Chumpy, _Sparse)) else np.asarray(value)


def _array(path: Path, key: str, value: Any) -> np.ndarray:
    try:
        array = _plain(value)
    except (KeyError, TypeError, ValueError, IndexError):
        raise UserError(f"{path}: {key} is no array that can be read") from None
    if array.dtype.hasobject:
        raise UserError(f"{path}: {key} holds Python objects; expected a plain array")
    return array
