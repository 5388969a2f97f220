"""`dataset.json`, the index of a finished dataset: shards with their sha256, counts, and what it was made from."""

import json

from manifests.errors import UserError
from manifests.schema import SCHEMA_VERSION

FILE = "dataset.json"


def dataset_json(seed: int, made_from: dict, shards: list[dict], counts: list[dict]) -> bytes:
    """The index as bytes; equal datasets give equal bytes.

    made_from: recipe fields by dotted name. shards: rows of schema.SHARDS. counts: rows of schema.COUNTS.
    """
    by_outcome: dict[str, dict[str, int]] = {outcome: {} for outcome in ("kept", "rejected", "surplus", "failed")}
    for row in counts:
        by_outcome[row["outcome"]][row["style"]] = row["samples"]
    index = {
        "schema_version": SCHEMA_VERSION,
        "seed": seed,
        "recipe": made_from,
        "samples": sum(row["samples"] for row in shards),
        "planned": sum(row["samples"] for row in counts),
        "counts": by_outcome,
        "shards": shards,
    }
    return json.dumps(index, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def read_dataset(data: bytes, where: str) -> dict:
    """The index of a dataset. Raises UserError where it is not one that this version can read."""
    try:
        index = json.loads(data)
        version = index["schema_version"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{where}: not a dataset index") from None
    if version > SCHEMA_VERSION:
        raise UserError(f"{where}: schema version {version} is newer than this program's {SCHEMA_VERSION}; upgrade skep")
    return index
