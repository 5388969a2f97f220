"""Label arrays as an `.npz` whose layout never changes: same shapes, same bytes around the numbers, whatever wrote them.

Numpy and all who read zip files read it. Our own reader takes nothing else, so there is no length, type or compression in it
that could lie, and it reads the numbers where they are known to lie.
"""

import io
import struct
import zlib
from functools import cache
from typing import NamedTuple

import numpy as np

from manifests import schema

# Zip: signature, version, flags, stored, time and date (1 January 1980), then CRC-32, both sizes, lengths of name and extra field.
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_STORED, _JANUARY_1980, _VERSION = 0, 33, 20
_CRC_IN_LOCAL, _CRC_IN_CENTRAL = 14, 16


class _Slot(NamedTuple):
    """Where one array lies: first byte and the one after its last, shape, type, CRC-32 of what comes before, places of the whole's."""

    start: int
    end: int
    shape: tuple[int, ...]
    dtype: np.dtype
    crc: int
    crc_at: tuple[int, int]


class _Layout(NamedTuple):
    empty: bytes  # the archive of zeros
    fixed: np.ndarray  # (bytes,) bool: what is the same in every archive
    slots: dict[str, _Slot]


def pack(arrays: dict) -> bytes:
    """The archive of a sample's label arrays, by name; others are left out."""
    layout = _layout()
    data = bytearray(layout.empty)
    for name, slot in layout.slots.items():
        numbers = np.ascontiguousarray(arrays[name], slot.dtype).reshape(slot.shape).tobytes()
        data[slot.start : slot.end] = numbers
        crc = struct.pack("<L", zlib.crc32(numbers, slot.crc))
        for place in slot.crc_at:
            data[place : place + 4] = crc
    return bytes(data)


def unpack(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an archive. Raises ValueError where it is not laid out as `pack` does it."""
    layout = _layout()
    if len(data) != len(layout.empty) or (np.frombuffer(data, np.uint8)[layout.fixed] != _fixed_bytes()).any():
        raise ValueError("not the label arrays of this schema version")
    return {name: np.frombuffer(data[s.start : s.end], s.dtype).reshape(s.shape).copy() for name, s in layout.slots.items()}


def label_fields() -> list:
    """The schema's field of every label array of a sample, in their order."""
    return [schema.POSES.field("betas"), *(schema.PROJECTIONS.field(name) for name in schema.tensor_names(schema.PROJECTIONS))]


@cache
def _fixed_bytes() -> np.ndarray:
    layout = _layout()
    return np.frombuffer(layout.empty, np.uint8)[layout.fixed]


@cache
def _layout() -> _Layout:
    body, directory, slots = bytearray(), bytearray(), {}
    fields = label_fields()
    for field in fields:
        shape, dtype = schema.shape_of(field), np.dtype(field.type.value_type.to_pandas_dtype()).newbyteorder("<")
        head, zeros, name = _npy_head(shape, dtype), bytes(int(np.prod(shape)) * dtype.itemsize), f"{field.name}.npy".encode()
        common = (_VERSION, 0, _STORED, 0, _JANUARY_1980, 0, len(head + zeros), len(head + zeros), len(name), 0)
        start = len(body) + _LOCAL.size + len(name) + len(head)
        # The directory is still counted from its own start.
        crc_at = len(body) + _CRC_IN_LOCAL, len(directory) + _CRC_IN_CENTRAL
        slots[field.name] = _Slot(start, start + len(zeros), shape, dtype, zlib.crc32(head), crc_at)
        directory += _CENTRAL.pack(b"PK\1\2", _VERSION, *common, 0, 0, 0, 0, len(body)) + name
        body += _LOCAL.pack(b"PK\3\4", *common) + name + head + zeros
    end = _END.pack(b"PK\5\6", 0, 0, len(fields), len(fields), len(directory), len(body), 0)
    slots = {name: slot._replace(crc_at=(slot.crc_at[0], len(body) + slot.crc_at[1])) for name, slot in slots.items()}
    return _Layout(bytes(body + directory + end), _fixed(len(body + directory + end), slots), slots)


def _npy_head(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape})
    return out.getvalue()


def _fixed(size: int, slots: dict[str, _Slot]) -> np.ndarray:
    fixed = np.ones(size, bool)
    for slot in slots.values():
        fixed[slot.start : slot.end] = False
        for place in slot.crc_at:
            fixed[place : place + 4] = False
    return fixed
