"""Tar files of plain members, as they are written here and in no other way: a reader can account for every byte.

A header is compared with the one that would be written for its name and size, so there is no link, device, path, extension
header or padding that could mean anything. For `tar`, `tarfile` and `webdataset` these are ordinary USTAR files.
"""

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, NoReturn, Protocol

from manifests.errors import UserError
from manifests.sample import MOST_BYTES

BLOCK, RECORD = 512, 10240
# The labels of the last sample are a zip. Whoever looks for the end of one in the last 64 KiB of a file (mlcroissant does) would take
# the tar for it, so that many zeros end a shard, and more up to a whole record.
_END = 7 * RECORD
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s16s155s12x")
_SUM_AT = 148
_NAME = re.compile(r"([a-z]+-[0-9]{6,9})\.(png|jpg|json|npz)")
_OCTAL = re.compile(rb"[0-7]{11}\0")


class BadShard(UserError):
    """A shard is damaged, or none of ours. shard: its address; offset: the byte at which the trouble was met."""

    def __init__(self, sentence: str, shard: str = "", offset: int = 0):
        super().__init__(sentence)
        self.shard, self.offset = shard, offset


def refuse(shard: str, offset: int, what: str) -> NoReturn:
    """Raise BadShard with one sentence."""
    raise BadShard(f"{shard}, byte {offset}: {what}", shard, offset)


class Readable(Protocol):
    """All that a shard is read through."""

    def read(self, size: int, /) -> bytes:
        """That many bytes, fewer at the end."""
        ...


class Member(NamedTuple):
    """One file of a tar: whose and what, the offset of its header and of its bytes, and the bytes."""

    sample_id: str
    extension: str
    header: int
    offset: int
    size: int
    data: bytes


def write_member(file: BinaryIO, name: str, data: bytes) -> None:
    """Append one member; no owner, no time."""
    file.write(header(name, len(data)) + data + bytes(-len(data) % BLOCK))


def write_end(file: BinaryIO) -> None:
    """Close the archive with zeros."""
    file.write(bytes(_ending(file.tell())))


def header(name: str, size: int) -> bytes:
    """The 512 bytes before a member."""
    plain = (b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % size, b"%011o\0" % 0, b" " * 8, b"0", b"", b"ustar\x0000", *[b""] * 4)
    block = _HEADER.pack(name.encode(), *plain)
    return block[:_SUM_AT] + b"%06o\0 " % sum(block) + block[_SUM_AT + 8 :]


def members(file: Readable, shard: str) -> Iterator[Member]:
    """The members of an open tar, in order. Raises BadShard where anything is amiss."""
    offset = 0
    while any(block := _take(file, shard, offset, BLOCK)):
        sample_id, extension, size = _parsed(block, shard, offset)
        filled = size + -size % BLOCK
        data = _take(file, shard, offset + BLOCK, filled)
        if any(data[size:]):
            refuse(shard, offset + BLOCK + size, "there should be zeros after this member")
        yield Member(sample_id, extension, offset, offset + BLOCK, size, data[:size])
        offset += BLOCK + filled
    _finish(file, shard, offset)


def members_passed(file: BinaryIO, shard: str) -> Iterator[Member]:
    """The same without their bytes, which are passed over."""
    offset = 0
    while any(block := _take(file, shard, offset, BLOCK)):
        sample_id, extension, size = _parsed(block, shard, offset)
        yield Member(sample_id, extension, offset, offset + BLOCK, size, b"")
        offset += BLOCK + size + -size % BLOCK
        file.seek(offset)
    _finish(file, shard, offset)


def _parsed(block: bytes, shard: str, offset: int) -> tuple[str, str, int]:
    """Sample id, extension and size that a header names."""
    name, size = block[:100].rstrip(b"\0").decode("ascii", "replace"), block[124:136]
    found = _NAME.fullmatch(name)
    if not found:
        refuse(shard, offset, f"refuses member {name!r}, expected <sample_id>.(png|jpg|json|npz)")
    if not _OCTAL.fullmatch(size) or block != header(name, int(size[:11], 8)):
        refuse(shard, offset, f"the header of member {name} is not as it was written")
    if int(size[:11], 8) > MOST_BYTES[found[2]]:
        refuse(shard, offset, f"refuses member {name}, larger than {MOST_BYTES[found[2]]} bytes")
    return found[1], found[2], int(size[:11], 8)


def _finish(file: Readable, shard: str, offset: int) -> None:
    """After the first block of zeros there are only more, as many as were written."""
    rest = file.read(_END + RECORD)
    if len(rest) + BLOCK != _ending(offset) or any(rest):
        refuse(shard, offset, "the end of the shard is not as it was written")


def _take(file: Readable, shard: str, offset: int, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        refuse(shard, offset + len(data), "the shard ends here, in the middle")
    return data


def _ending(offset: int) -> int:
    """How many zeros end an archive whose members take `offset` bytes."""
    return _END + -offset % RECORD
