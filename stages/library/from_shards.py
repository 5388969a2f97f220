"""Sketches of a dataset to learn from: `python -m stages.library.from_shards DATASET LIBRARY`.

The library is like that of stages.library.draw, without part maps, one chunk a shard, so that `python -m stages.detector.train --only
pose --start stages/detector/weights --library LIBRARY` fine-tunes the bundled detector on the sketches.
"""

import argparse
from pathlib import Path

import numpy as np

from manifests.dataset import Dataset, ShardFile
from manifests.errors import command
from manifests.skeleton import STYLES
from stages.library.chunks import SPLITS, chunk_path, claim, write_chunk
from stages.shards.read import opened, packed_samples


def fill(dataset: Dataset, library: Path) -> int:
    """Copy the sketches of both splits that the library lacks; how many it holds in the end. Raises BadShard."""
    claim(library, dataset.digest[:16])
    shards = [(split, shard) for split in SPLITS for shard in dataset.shards(split)]
    for split, shard in shards:
        path = chunk_path(library, split, Path(shard.shard).stem)
        if not path.exists():
            _store(path, dataset, shard)
    return sum(shard.samples for _, shard in shards)


def _store(path: Path, dataset: Dataset, shard: ShardFile) -> None:
    address = dataset.address(shard.shard)
    with dataset.open(shard.shard) as file:
        samples = list(packed_samples(file, address))
    words, labels = zip(*map(opened, samples), strict=True)
    arrays = {
        "joints": np.stack([part["joints2d"] for part in labels]),
        "depth": np.stack([part["joints3d_drawn"][:, 2] for part in labels]),
        "visibility": np.stack([part["visibility"] for part in labels]),
        "boxes": np.stack([part["bbox"] for part in labels]),
        "styles": np.array([STYLES.index(word["style"]) for word in words], np.uint8),
    }
    texts = {name: [str(word["text"].get(name, "")) for word in words] for name in ("appearance", "motion")}
    ids = [sample.sample_id for sample in samples]
    write_chunk(path, [sample.image for sample in samples], [b""] * len(samples), arrays, {"ids": ids, **texts})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="folder or URL of a dataset, or of the run that made it")
    parser.add_argument("library", type=Path)
    args = parser.parse_args()
    print(f"{fill(Dataset(args.dataset), args.library)} sketches in {args.library}")


if __name__ == "__main__":
    command(main)
