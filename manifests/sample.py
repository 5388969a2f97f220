"""The members of one sample in a shard: a picture, a `.json` of words and scores, a `.npz` of label arrays."""

import io
import json

import numpy as np

from manifests import schema
from manifests.skeleton import STYLE_TEXTS

# Every label array of a shard sample, in the order of its npz.
LABELS = tuple(n for n in ("betas", *schema.tensor_names(schema.PROJECTIONS)))


def encode_sample(row: dict) -> dict[str, bytes]:
    """Members {extension: bytes} of a row that holds the columns of every table. Equal rows give equal bytes."""
    words = {
        "schema_version": schema.SCHEMA_VERSION,
        "sample_id": row["sample_id"],
        "style": row["style"],
        "split": row["split"],
        "source_id": row["source_id"],
        "proportions": row["proportions"],
        "text": {"style": STYLE_TEXTS[row["style"]], "appearance": row["appearance"], "motion": row["motion"]},
        "generator": row["generator"],
        "scores": {"ink": round(float(row["score_ink"]), 6)},
    }
    arrays = io.BytesIO()
    np.savez(arrays, allow_pickle=False, **{name: np.asarray(row[name]) for name in LABELS})
    text = json.dumps(words, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return {row["image_format"]: row["image"], "json": text.encode(), "npz": arrays.getvalue()}


def decode_labels(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a sample's npz; refuses anything pickled."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in LABELS}


def prompt_of(style: str, appearance: str, motion: str) -> str:
    """The words that a generator is given: style, looks, motion; what is not known is left out."""
    return ", ".join(part for part in (STYLE_TEXTS[style], appearance, motion) if part)
