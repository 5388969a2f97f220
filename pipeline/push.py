"""A dataset carried to another place. What is there already and whole is left alone, so a push that was cut short goes on."""

import hashlib
import shutil
from collections.abc import Callable

from manifests.dataset import CARD, CROISSANT, FILE, PREVIEW, Dataset, Index, read_index
from manifests.errors import UserError
from pipeline.commit import DATASET_FOLDER, sha256_of
from pipeline.store import RECIPE_FILE, StagedFile, Store


def push(dataset: Dataset, url: str, say: Callable[[str], None] = print) -> int:
    """Copy a dataset to an fsspec URL; returns the number of files that were sent. The index goes last, so it vouches for the rest.

    Every file is read back from the other side and compared with its sha256. Raises UserError where one differs, and where another
    dataset or a run lives there. An older state of the dataset stays whole until the first file that replaces a part of it is at hand.
    """
    if url.startswith(("http://", "https://")):
        raise UserError(
            f"{url}: nothing can be written over HTTP; name a folder or an object store, such as s3://bucket/{dataset.index.name}"
        )
    target, sent = Store(url), 0
    listed = files(dataset)
    older = _older(target, dataset, listed)
    for name, sha256 in listed.items():
        if target.exists(name) and sha256_of(target, name) == sha256:
            say(f"{name}: there already")
            continue
        staged = _staged(dataset, target, name, sha256)
        if not sent:
            _remove(target, older, say)
        _publish(staged, target, name, sha256)
        say(f"{name}: sent")
        sent += 1
    return sent


def files(dataset: Dataset) -> dict[str, str]:
    """sha256 of every file of a dataset by name, the index at the end. Raises UserError where a page is missing or empty."""
    return _tables(dataset.index) | {name: _page(dataset, name) for name in (CARD, CROISSANT, PREVIEW)} | {FILE: dataset.digest}


def _page(dataset: Dataset, name: str) -> str:
    data = dataset.read(name)
    if not data:
        raise UserError(f"{dataset.address(name)}: this file is empty")
    return hashlib.sha256(data).hexdigest()


def _tables(index: Index) -> dict[str, str]:
    return {s.shard: s.sha256 for s in index.shards} | {v.file: v.sha256 for v in index.verdicts}


def _older(target: Store, dataset: Dataset, listed: dict[str, str]) -> list[str]:
    """What an older dataset there has beyond this one and would be read as its shards; its index goes last, as it alone tells what
    that is. Raises UserError where the place is not this dataset's."""
    of_run = [target.root, target.root.removesuffix(f"/{DATASET_FOLDER}")]
    if any(target.fs.exists(f"{folder}/{RECIPE_FILE}") for folder in of_run) and target.address != Store(dataset.url).address:
        raise UserError(f"{target.url}: a run lives there; name a folder of the dataset's own")
    if not target.exists(FILE) or sha256_of(target, FILE) == listed[FILE]:
        return []
    try:
        index = read_index(target.read(FILE), target.path(FILE))
    except UserError:
        return [FILE]  # cut short or of another version: nothing is known to be its own
    if index.name != dataset.index.name:
        raise UserError(f"{target.url}: the dataset {index.name} lives there, not {dataset.index.name}; name another folder")
    return [*sorted(_tables(index).keys() - listed.keys()), FILE]


def _remove(target: Store, names: list[str], say: Callable[[str], None]) -> None:
    for name in names:
        target.remove(name)
        if name != FILE:
            say(f"{name}: removed, of an older dataset")


def _staged(dataset: Dataset, target: Store, name: str, sha256: str) -> StagedFile:
    """A file of the dataset, read whole and found to be what it should be."""
    with dataset.open(name) as source, target.stage(name) as staged:
        shutil.copyfileobj(source, staged.file, 1 << 20)
        staged.seal()
    if staged.file.sha256 != sha256:
        staged.discard()
        raise UserError(f"{dataset.address(name)} differs from its sha256; not sent")
    return staged


def _publish(staged: StagedFile, target: Store, name: str, sha256: str) -> None:
    staged.publish()
    target.sync_folder(name)
    if sha256_of(target, name) != sha256:
        raise UserError(f"{target.url}/{name} arrived damaged; push again")
