"""The samples of a shard, one after the other, each whole and its own; nothing is unpickled."""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from manifests.arrays import unpack
from manifests.sample import IMAGES, check_seal, decode_words
from stages.shards.tar import Member, Readable, members, members_passed, refuse


class Packed(NamedTuple):
    """A sample as it lies in a shard: the offset of its first header, and its members' bytes."""

    sample_id: str
    shard: str
    offset: int
    image: bytes
    words: bytes
    labels: bytes


class Place(NamedTuple):
    """Where a sample lies in a shard: the offset of its first header, and of picture, json and npz with sizes."""

    sample_id: str
    offset: int
    parts: tuple[tuple[int, int], ...]


def packed_samples(file: Readable, shard: str, check: bool = True) -> Iterator[Packed]:
    """The samples of an open shard. `check`: each is compared with its sha256 first. Raises BadShard."""
    for picture, words, labels in _threes(members(file, shard), shard):
        sample = Packed(picture.sample_id, shard, picture.header, picture.data, words.data, labels.data)
        yield checked(sample) if check else sample


def places(file: BinaryIO, shard: str) -> list[Place]:
    """Where the samples of an open shard lie; reads the headers alone. Raises BadShard."""
    threes = _threes(members_passed(file, shard), shard)
    return [Place(three[0].sample_id, three[0].header, tuple((m.offset, m.size) for m in three)) for three in threes]


def sample_at(file: BinaryIO, shard: str, place: Place) -> Packed:
    """One sample of an open shard. Raises BadShard."""
    parts = []
    for offset, size in place.parts:
        file.seek(offset)
        parts.append(file.read(size))
    return checked(Packed(place.sample_id, shard, place.offset, *parts))


def checked(sample: Packed) -> Packed:
    """The sample, if it is what was written. Raises BadShard."""
    try:
        check_seal(sample.image, sample.words, sample.labels)
    except ValueError as e:
        refuse(sample.shard, sample.offset, f"sample {sample.sample_id} {e}")
    return sample


def opened(sample: Packed) -> tuple[dict, dict[str, np.ndarray]]:
    """A sample's words and arrays, all finite. Raises BadShard."""
    words = decoded(sample, "json", lambda: decode_words(sample.words, sample.sample_id))
    arrays = decoded(sample, "npz", lambda: unpack(sample.labels))
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            refuse(sample.shard, sample.offset, f"{name} of sample {sample.sample_id} is not finite")
    return words, arrays


def decoded(sample: Packed, name: str, work: Callable[[], Any]) -> Any:
    """What `work` makes of the sample's member `name`. Raises BadShard."""
    try:
        return work()
    except MemoryError:  # too little of it is no damage
        raise
    except Exception as e:  # whatever a decoder makes of bytes that somebody prepared for it
        refuse(sample.shard, sample.offset, f"the {name} of sample {sample.sample_id} does not decode ({' '.join(str(e).split())})")


def _threes(found: Iterator[Member], shard: str) -> Iterator[tuple[Member, Member, Member]]:
    """Members by sample: picture, json, npz, side by side and in this order, no sample twice."""
    seen = set()
    for picture in found:
        words, labels = next(found, None), next(found, None)
        key = picture.sample_id
        if not words or not labels or _kinds(picture, words, labels) != (key, key, True) or key in seen:
            refuse(shard, picture.header, f"sample {key} is not a picture, json and npz side by side, once")
        seen.add(key)
        yield picture, words, labels


def _kinds(picture: Member, words: Member, labels: Member) -> tuple[str, str, bool]:
    in_order = picture.extension in IMAGES and (words.extension, labels.extension) == ("json", "npz")
    return words.sample_id, labels.sample_id, in_order
