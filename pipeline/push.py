"""A dataset carried to another place. What is there already and whole is left alone, so a push that was cut short goes on."""

import hashlib
import shutil
from collections.abc import Callable

from manifests.dataset import CARD, CROISSANT, FILE, PREVIEW, Dataset, Index, read_index
from manifests.errors import UserError
from pipeline.commit import sha256_of
from pipeline.store import Store


def push(dataset: Dataset, url: str, say: Callable[[str], None] = print) -> int:
    """Copy a dataset to an fsspec URL; returns the number of files that were sent. The index goes last, so it vouches for the rest.

    Every file is read back from the other side and compared with its sha256. Raises UserError where one differs.
    """
    target, sent = Store(url), 0
    listed = files(dataset)
    if target.exists(FILE) and sha256_of(target, FILE) != listed[FILE]:
        _remove_older(target, listed, say)
    for name, sha256 in listed.items():
        if target.exists(name) and sha256_of(target, name) == sha256:
            say(f"{name}: there already")
            continue
        _send(dataset, target, name, sha256)
        say(f"{name}: sent")
        sent += 1
    return sent


def files(dataset: Dataset) -> dict[str, str]:
    """sha256 of every file of a dataset by name, the index at the end."""
    pages = {name: hashlib.sha256(dataset.read(name)).hexdigest() for name in (CARD, CROISSANT, PREVIEW)}
    return _tables(dataset.index) | pages | {FILE: dataset.digest}


def _tables(index: Index) -> dict[str, str]:
    return {s.shard: s.sha256 for s in index.shards} | {v.file: v.sha256 for v in index.verdicts}


def _remove_older(target: Store, listed: dict[str, str], say: Callable[[str], None]) -> None:
    """What an older dataset has beyond this one would be read as its shards. Its index goes last: it alone tells what that is."""
    try:
        older = _tables(read_index(target.read(FILE), target.path(FILE)))
    except UserError:
        older = {}  # cut short or of another version: nothing is known to be its own
    for name in sorted(older.keys() - listed.keys()):
        target.remove(name)
        say(f"{name}: removed, of an older dataset")
    target.remove(FILE)


def _send(dataset: Dataset, target: Store, name: str, sha256: str) -> None:
    with dataset.open(name) as source, target.stage(name) as staged:
        shutil.copyfileobj(source, staged.file, 1 << 20)
        staged.seal()
    if staged.file.sha256 != sha256:
        staged.discard()
        raise UserError(f"{dataset.address(name)} differs from its sha256; not sent")
    staged.publish()
    target.sync_folder(name)
    if sha256_of(target, name) != sha256:
        raise UserError(f"{target.url}/{name} arrived damaged; push again")
