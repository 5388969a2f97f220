"""`make damage-test`: a shard cut at every 512 bytes and at random, and with single bits flipped. `verify` must find each case, and
the reader must raise our exception with shard and offset. The last line is JSON.
"""

import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from estimator.data import SkepDataset
from manifests.dataset import Dataset
from stages.shards.check import Findings, check_shard
from stages.shards.tar import BLOCK, BadShard
from tests.estimator.figures import write_dataset

SAMPLES, RANDOM = 6, 500


def damaged(whole: bytes, rng: random.Random, count: int, step: int = BLOCK) -> Iterator[bytes]:
    """The shard cut at every `step` bytes, then `count` times at random, then with one of its bits flipped, `count` times."""
    yield from (whole[:cut] for cut in range(0, len(whole), step))
    yield from (whole[: rng.randrange(len(whole))] for _ in range(count))
    for _ in range(count):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        yield bytes(data)


def found(folder: Path, name: str) -> bool:
    """Whether both notice that a shard of the dataset is damaged."""
    dataset = Dataset(folder)
    shard = next(s for s in dataset.index.shards if s.shard == name)
    if not list(check_shard(dataset, shard, Findings())):
        return False
    try:
        for _ in SkepDataset(folder, shard.split):
            pass
    except BadShard as e:
        return e.shard == dataset.address(name) and 0 <= e.offset <= shard.bytes and name in str(e)
    return False


def campaign(folder: Path, samples: int, count: int, step: int = BLOCK) -> dict[str, int]:
    """How many cases there were, and in how many both noticed."""
    shard = write_dataset(folder, {"train": range(samples)}) / "train-000000.tar"
    whole, result = shard.read_bytes(), {"cases": 0, "found": 0}
    for data in damaged(whole, random.Random(0), count, step):
        shard.write_bytes(data)
        result["cases"] += 1
        result["found"] += found(folder, shard.name)
    return result


def main() -> None:
    with tempfile.TemporaryDirectory() as temp:
        result = campaign(Path(temp) / "dataset", SAMPLES, RANDOM)
    print(json.dumps(result))
    sys.exit(result["cases"] != result["found"])


if __name__ == "__main__":
    main()
