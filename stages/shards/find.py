"""One sample of a finished dataset, by its id."""

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.dataset import Dataset
from manifests.errors import UserError
from stages.shards.read import Packed, places, sample_at


def find_sample(dataset: Dataset, sample_id: str) -> Packed | None:
    """The sample as it lies in its shard; None where no shard holds it. Raises UserError where a file is missing or damaged."""
    for name in _shards_of(dataset, sample_id):
        address = dataset.address(f"{name}.tar")
        with dataset.open(f"{name}.tar") as file:
            place = next((place for place in places(file, address) if place.sample_id == sample_id), None)
            return sample_at(file, address, place) if place else None
    return None


def _shards_of(dataset: Dataset, sample_id: str) -> list[str]:
    """The name of the shard that the verdicts name, if there is one."""
    for verdicts in dataset.index.verdicts:
        try:
            table = pq.ParquetFile(io.BytesIO(dataset.read(verdicts.file))).read(["sample_id", "shard"], use_threads=False)
        except pa.ArrowException:
            raise UserError(f"{dataset.address(verdicts.file)} is damaged") from None
        found = table.filter(pc.equal(table["sample_id"], sample_id))["shard"].to_pylist()
        if found:
            return [shard for shard in found if shard]
    return []
