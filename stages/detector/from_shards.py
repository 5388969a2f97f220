"""Sketches of a dataset for the detector to learn from: `python -m stages.detector.from_shards DATASET CACHE`.

The cache is like that of stages.detector.drawings, one chunk a shard, so that `python -m stages.detector.train --only pose
--start stages/detector/weights --cache CACHE` fine-tunes the bundled detector on the sketches.
"""

import argparse
import io
from pathlib import Path

import numpy as np

from manifests.arrays import unpack
from manifests.dataset import Dataset, ShardFile
from manifests.errors import command
from manifests.sample import decode_words
from manifests.skeleton import STYLES
from stages.detector.cache import SPLITS, claim
from stages.shards.read import Packed, packed_samples
from stages.shards.tar import refuse
from stages.tensorfile import write_atomically


def fill(dataset: Dataset, cache: Path) -> int:
    """Copy the sketches of both splits that the cache lacks; how many it holds in the end. Raises BadShard."""
    claim(cache, dataset.digest[:16])
    shards = [(split, shard) for split in SPLITS for shard in dataset.shards(split)]
    for split, shard in shards:
        path = cache / split / f"chunk-{Path(shard.shard).stem}.npz"
        if not path.exists():
            out = io.BytesIO()
            np.savez(out, **_arrays(dataset, shard))  # type: ignore[arg-type]
            write_atomically(path, out.getvalue())
    return sum(shard.samples for _, shard in shards)


def _arrays(dataset: Dataset, shard: ShardFile) -> dict[str, np.ndarray]:
    address = dataset.address(shard.shard)
    with dataset.open(shard.shard) as file:
        samples = list(packed_samples(file, address))
    words, labels = zip(*map(_decoded, samples), strict=True)
    images = [sample.image for sample in samples]
    return {
        "bytes": np.frombuffer(b"".join(images), np.uint8),
        "ends": np.cumsum([len(image) for image in images]),
        "joints": np.stack([part["joints2d"] for part in labels]),
        "visibility": np.stack([part["visibility"] for part in labels]),
        "boxes": np.stack([part["bbox"] for part in labels]),
        "styles": np.array([STYLES.index(word["style"]) for word in words], np.uint8),
        "ids": np.array([sample.sample_id for sample in samples], "S"),
    }


def _decoded(sample: Packed) -> tuple[dict, dict[str, np.ndarray]]:
    try:
        return decode_words(sample.words, sample.sample_id), unpack(sample.labels)
    except ValueError as e:
        refuse(sample.shard, sample.offset, f"sample {sample.sample_id} does not decode ({e})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="folder or URL of a dataset, or of the run that made it")
    parser.add_argument("cache", type=Path)
    args = parser.parse_args()
    print(f"{fill(Dataset(args.dataset), args.cache)} sketches in {args.cache}")


if __name__ == "__main__":
    command(main)
