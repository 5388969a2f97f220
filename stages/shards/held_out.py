"""`python -m stages.shards.held_out RUN`: val-600, the samples that every estimator is measured on, frozen once and bundled.

It is a dataset like any other: one val shard, 100 samples a style. `make val-600` draws it and calls this.
"""

import argparse
from pathlib import Path

from manifests.dataset import CARD, FILE, Dataset
from manifests.errors import UserError, command
from manifests.skeleton import STYLES
from stages.shards.check import check_dataset

NAME = "val-600"
FOLDER = Path(__file__).parent / NAME
PER_STYLE, MOST_BYTES = 100, 15_000_000


def open_held_out(address: str) -> Dataset:
    """A dataset by its address; `val-600` is the bundled one. Raises UserError."""
    if address != NAME:
        return Dataset(address)
    return Dataset(FOLDER)


def freeze(dataset: Dataset, folder: Path = FOLDER, per_style: int = PER_STYLE, styles: tuple[str, ...] = STYLES) -> int:
    """Copy a dataset into a folder of the package; returns its bytes. Raises UserError where it is not fit to be measured on, and
    where another is frozen there: estimators are compared by it."""
    names = [s.shard for s in dataset.index.shards] + [v.file for v in dataset.index.verdicts] + [FILE, CARD]
    kept = dataset.index.counted("style", "split", outcome="kept")
    if kept != {(style, "val"): per_style for style in sorted(styles)}:
        raise UserError(f"{dataset.address(FILE)}: expected {per_style} val samples of each style and no others, got {kept}")
    size = sum(s.bytes for s in dataset.index.shards)
    if size > MOST_BYTES:
        raise UserError(f"{dataset.url}: {size} bytes, more than the {MOST_BYTES} that may be bundled")
    for problem in check_dataset(dataset):
        raise UserError(f"{dataset.url}: not frozen, {problem}")
    if (folder / FILE).exists() and Dataset(folder).digest != dataset.digest:
        raise UserError(f"{folder}: another dataset is frozen there, and figures are compared by it; remove the folder to freeze this one")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(dataset.read(name))
    return size


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="the run that drew the samples")
    dataset = Dataset(parser.parse_args().run)
    size = freeze(dataset)
    print(f"{FOLDER}: {dataset.index.samples} samples, {size} bytes, dataset.json has sha256 {dataset.digest}")


if __name__ == "__main__":
    command(main)
