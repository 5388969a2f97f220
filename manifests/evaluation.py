"""What `skep evaluate` leaves in a run for others to read: the names of its files, what is in them, and how to read them."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, TypeAdapter, ValidationError

from manifests.errors import UserError
from manifests.schema import JUDGED

FOLDER = "estimator"
RESULT, PAIRED, RELIABILITY, SAMPLES = "evaluation.json", "paired.json", "reliability.json", "judged.parquet"


class Value(BaseModel):
    """A mean and its 95 % bootstrap interval; None where no sample says anything of it."""

    value: float | None
    low: float | None
    high: float | None


class Bin(BaseModel):
    """Joints whose confidence is about the same, and the share of them that was found."""

    joints: int
    confidence: float
    found: float


class Trust(BaseModel):
    """How far a method's confidence can be trusted."""

    bins: list[Bin]
    expected_calibration_error: float


# Method, or `b - a` of two: style or `all`: metric: value.
Results = dict[str, dict[str, dict[str, Value]]]
Reliability = dict[str, Trust]


def read_json(kind: Any, data: bytes, where: str) -> Any:
    """What is in one of the JSON files, of the kind that it must be. Raises UserError where it is something else."""
    adapter = TypeAdapter(kind)
    try:
        return adapter.dump_python(adapter.validate_json(data), mode="json")
    except ValidationError as e:
        path = ".".join(map(str, e.errors()[0]["loc"]))
        raise UserError(f"{where}: not what `skep evaluate` writes{f', {path}' if path else ''}; evaluate again") from None


def read_judged(data: bytes, where: str) -> pa.Table:
    """The table of every sample judged. Raises UserError where it is something else, or damaged."""
    try:
        table = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).read(use_threads=False)
    except (pa.ArrowException, OSError):
        raise UserError(f"{where}: damaged; evaluate again") from None
    if table.schema.names != JUDGED.names:
        raise UserError(f"{where}: its columns are not this version's; evaluate again")
    return table
