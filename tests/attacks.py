"""`python -m tests.attacks 10000`: shards that somebody prepared, read in a process that has 1 GB beyond what it was born with.

Only our exception may come out, within five seconds. Mutations keep header sums and seals right where that gets them farther. The last
line is JSON.
"""

import io
import json
import random
import resource
import signal
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from estimator.data import SkepDataset, Sketches
from manifests.arrays import pack, unpack
from manifests.dataset import Dataset
from manifests.sample import encode_sample, sealed
from stages.shards.check import check_dataset
from stages.shards.tar import BLOCK, BadShard, write_end, write_member
from tests.estimator.figures import stick_row, write_index

SAMPLES, GIGABYTE, SECONDS = 3, 1 << 30, 5
NAME = "train-000000.tar"
Members = list[tuple[str, bytes]]


def honest() -> Members:
    """The members of a whole shard."""
    rows = [stick_row(number, "train") for number in range(SAMPLES)]
    return [(f"{row['sample_id']}.{extension}", data) for row in rows for extension, data in encode_sample(row).items()]


def packed(members: Members) -> bytes:
    """A shard of any members, with right headers."""
    out = io.BytesIO()
    for name, data in members:
        write_member(out, name, data)
    write_end(out)
    return out.getvalue()


def resealed(members: Members, **changed: bytes) -> Members:
    """The members, those of the first sample replaced by kind, its seal set right."""
    parts = dict(zip(("png", "json", "npz"), (data for _, data in members[:3]), strict=True)) | changed
    text = parts["json"] if "json" in changed else parts["json"][:-76] + b"}"
    parts["json"] = sealed(parts["png"], text, parts["npz"])
    return [(f"{members[0][0].partition('.')[0]}.{kind}", data) for kind, data in parts.items()] + members[3:]


def special(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """A tar of `tarfile` whose first member is of any kind."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        tar.addfile(member)
        for name, data in honest():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def huge_png(side: int) -> bytes:
    """A PNG whose header claims side x side pixels, all of one colour: some kilobytes."""
    header = side.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    body = zlib.compress(bytes(1 << 20))
    chunks = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
    parts = [len(d).to_bytes(4, "big") + k + d + zlib.crc32(k + d).to_bytes(4, "big") for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def zip_bomb() -> bytes:
    """An npz of a few kilobytes that unpacks to a gigabyte of zeros."""
    out, array = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(array, {"descr": "<f4", "fortran_order": False, "shape": (1 << 28,)})
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("pose.npy", "w") as file:
        file.write(array.getvalue())
        for _ in range(40):
            file.write(bytes(1 << 20))
    return out.getvalue()


def crafted() -> dict[str, Callable[[], bytes]]:
    """Every attack that has a name, as the bytes of a shard."""
    members = honest()
    nested = b'{"a":' * 10_000 + b"0" + b"}" * 10_000
    return {
        "parent folder": lambda: packed([("../ink-000000.png", b""), *members]),
        "absolute name": lambda: packed([("/etc/ink-000000.png", b""), *members]),
        "symbolic link": lambda: special("ink-000009.png", tarfile.SYMTYPE, "/etc/passwd"),
        "hard link": lambda: special("ink-000009.png", tarfile.LNKTYPE, "/etc/passwd"),
        "device": lambda: special("ink-000009.png", tarfile.CHRTYPE),
        "fifo": lambda: special("ink-000009.png", tarfile.FIFOTYPE),
        "folder": lambda: special("ink-000009.png", tarfile.DIRTYPE),
        "long name": lambda: special("x" * 4000 + ".png"),
        "pickle": lambda: packed([("ink-000000.pkl", b"\x80\x04."), *members]),
        "pickled member": lambda: packed([("ink-000000.data.pyd", b"\x80\x04."), *members]),
        "zip bomb": lambda: packed(resealed(members, npz=zip_bomb())),
        "gigapixel": lambda: packed(resealed(members, png=huge_png(40_000))),
        "many pixels": lambda: packed(resealed(members, png=huge_png(2_049))),
        "no picture": lambda: packed(resealed(members, png=b"GIF89a" + bytes(64))),
        "nested json": lambda: packed(resealed(members, json=nested)),
        "long json": lambda: packed(resealed(members, json=b'{"a":"' + b"x" * (1 << 17) + b'"}')),
        "json of numbers": lambda: packed(resealed(members, json=b"[1" + b"0" * 5000 + b"]")),
        "words of another": lambda: packed(resealed(members, json=members[4][1][:-76] + b"}")),
        "numbers that are none": lambda: packed(resealed(members, npz=_not_finite(members[2][1]))),
        "future version": lambda: packed(resealed(members, json=b'{"schema_version":99}')),
        "dotted key": lambda: packed([(name.replace("ink-000000", "ink-0.5"), data) for name, data in members]),
        "interleaved": lambda: packed([members[i] for i in (0, 3, 1, 4, 2, 5)]),
        "twice": lambda: packed(members[:3] + members[:3]),
        "member missing": lambda: packed(members[:2] + members[3:]),
        "sample missing": lambda: packed(members[3:]),
        "unsealed change": lambda: packed([(members[0][0], members[3][1]), *members[1:]]),
        "too large": lambda: _claiming(packed(members), 1 << 30),
        "negative size": lambda: _claiming(packed(members), -1),
        "gzip": lambda: zlib.compress(packed(members)),
        "empty": lambda: b"",
    }


def _not_finite(npz: bytes) -> bytes:
    """The label arrays with a NaN in the pose and infinity in the depth."""
    arrays = unpack(npz)
    arrays["pose"][0], arrays["joints3d"][1, 2] = np.nan, np.inf
    return pack(arrays)


def _claiming(shard: bytes, size: int) -> bytes:
    """The shard whose first header names another size; base-256 where it is negative."""
    field = size.to_bytes(12, "big", signed=True) if size < 0 else b"%011o\0" % size
    return summed(bytearray(shard[:124] + field + shard[136:]), 0)


def summed(shard: bytearray, block: int) -> bytes:
    """The sum of the header at a block set right."""
    head = shard[block : block + BLOCK]
    head[148:156] = b" " * 8
    shard[block + 148 : block + 156] = b"%06o\0 " % sum(head)
    return bytes(shard)


def mutated(rng: random.Random) -> bytes:
    """A shard with a few random changes, at one of the levels that a reader goes through."""
    members = honest_once()
    level = rng.choice(("bytes", "blocks", "header", "members", "sealed"))
    if level == "sealed":
        kind = rng.choice(("png", "json", "npz"))
        data = dict(zip(("png", "json", "npz"), (d for _, d in members[:3]), strict=True))[kind]
        return packed(resealed(members, **{kind: _noised(data[:-76] + b"}" if kind == "json" else data, rng)}))
    if level == "members":
        picked = [rng.choice(members) for _ in range(rng.randrange(1, 12))]
        return packed([(_noised(name.encode(), rng).decode("latin1")[:24] if rng.random() < 0.2 else name, data) for name, data in picked])
    shard = bytearray(packed(members))
    if level == "header":
        block = _headers(members)[rng.randrange(len(members))]
        shard[block : block + BLOCK] = _noised(bytes(shard[block : block + BLOCK]), rng)[:BLOCK].ljust(BLOCK, b"\0")
        return summed(shard, block)
    if level == "blocks":
        for _ in range(rng.randrange(1, 5)):
            a, b = (rng.randrange(len(shard) // BLOCK) * BLOCK for _ in range(2))
            shard[a : a + BLOCK], shard[b : b + BLOCK] = shard[b : b + BLOCK], shard[a : a + BLOCK]
        return bytes(shard)
    return _noised(bytes(shard), rng)


def honest_once(kept: list[Members] = []) -> Members:  # noqa: B006 - made once
    """The honest members; drawing them takes longer than reading them."""
    if not kept:
        kept.append(honest())
    return kept[0]


def _headers(members: Members) -> list[int]:
    places, at = [], 0
    for _, data in members:
        places.append(at)
        at += BLOCK + len(data) + -len(data) % BLOCK
    return places


def _noised(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, cut out or doubled."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(out) + 1)
        change = rng.randrange(4)
        if change == 0 and at < len(out):
            out[at] = rng.randrange(256)
        elif change == 1:
            del out[at : at + rng.randrange(1, 600)]
        elif change == 2:
            out[at:at] = out[at : at + rng.randrange(1, 600)]
        else:
            out[at:at] = rng.randbytes(rng.randrange(1, 40))
    return bytes(out)


def outcome(folder: Path, shard: bytes, check: bool) -> str:
    """`read`, `refused`, or what else came out, of the stream, of the samples by number and of the check of the whole dataset."""
    (folder / NAME).write_bytes(shard)
    said = set()
    whole = lambda: list(check_dataset(Dataset(folder)))  # noqa: E731
    for read in (lambda: list(SkepDataset(folder, check=check)), lambda: list(_by_number(folder)), whole):
        try:
            with soon():
                read()
            said.add("read")
        except BadShard:
            said.add("refused")
        except (Exception, TooLong) as e:  # what this is looking for
            said.add(f"{type(e).__name__}: {e}")
    wrong = sorted(said - {"read", "refused"})
    return wrong[0] if wrong else ("refused" if "refused" in said else "read")


class TooLong(BaseException):
    """It did not come to an end. No Exception, or a decoder's reader would take it for damage."""


@contextmanager
def soon() -> Iterator[None]:
    """Raises TooLong where what is done within takes longer than it may."""

    def ring(*_: object) -> None:
        raise TooLong(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _by_number(folder: Path):
    sketches = Sketches(folder, "train", 32)
    for number in range(len(sketches)):
        yield sketches[number]


def main(count: int) -> dict:
    """Named attacks, then `count` mutated shards."""
    result: dict = {"cases": 0, "refused": 0, "read": 0, "wrong": []}
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        (folder / NAME).write_bytes(packed(honest()))
        write_index(folder, {NAME: SAMPLES})
        outcome(folder, packed(honest()), True)
        limit = psutil.Process().memory_info().vms + GIGABYTE
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for name, craft in crafted().items():
            _count(result, outcome(folder, craft(), True), name, must="refused")
        for number in range(count):
            _count(result, outcome(folder, mutated(random.Random(number)), bool(number % 4)), f"mutation {number}")
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result


def _count(result: dict, said: str, name: str, must: str = "") -> None:
    result["cases"] += 1
    if said in ("read", "refused"):
        result[said] += 1
    if said not in ("read", "refused") or (must and said != must):
        result["wrong"].append(f"{name}: {said}")


if __name__ == "__main__":
    tally = main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
    print(json.dumps(tally))
    sys.exit(bool(tally["wrong"]))
