"""Reads `.npz` archives without trusting what they say of themselves. Nothing is unpickled."""

import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from manifests.errors import UserError

_LARGEST = 2**31  # bytes of one array
# What zipfile raises; RuntimeError: for a member that is locked, or packed in a way that it does not know.
_DAMAGED = (OSError, EOFError, ValueError, OverflowError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
# What numpy raises of a header, which it reads as Python; MemoryError: it is nested too deeply.
_NO_HEADER = (ValueError, TypeError, LookupError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError)


@contextmanager
def open_npz(path: Path, what: str) -> Iterator[zipfile.ZipFile]:
    """An archive, to read arrays of. Raises UserError, also while it is open, where it is not there or damaged. what: it should be."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except UserError:
        raise
    except _DAMAGED as e:
        why = getattr(e, "strerror", None) or "not an .npz archive, or damaged"
        raise UserError(f"{path}: cannot read this {what} ({why})") from None


def read_array(archive: zipfile.ZipFile, key: str, largest: int = _LARGEST) -> np.ndarray:
    """An array that an archive has. Its header is held against the size of the member before anything is allocated. Raises UserError."""
    info, where = archive.getinfo(f"{key}.npy"), f"{archive.filename}: {key}"
    with archive.open(info) as file:
        shape, fortran, dtype = _header(file, where)
        if dtype.hasobject:
            raise UserError(f"{where} holds {dtype}, expected numbers")
        size, held = math.prod(shape) * dtype.itemsize, info.file_size - file.tell()
        if size > largest or size != held:
            raise UserError(f"{where} claims the shape {shape}, {size} bytes, and holds {held}")
        return np.frombuffer(bytearray(file.read(size)), dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type."""
    try:
        old = np.lib.format.read_magic(file) == (1, 0)
        return (np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0)(file)
    except _NO_HEADER:
        raise UserError(f"{where} is damaged") from None
