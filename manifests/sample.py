"""The members of one sample in a shard: a picture, a `.json` of words and scores, a `.npz` of label arrays.

The json ends with a sha256 of picture, npz and the json without it: a sample vouches for itself, wherever its shard goes.
"""

import hashlib
import json

from manifests import schema
from manifests.arrays import label_fields, pack
from manifests.skeleton import STYLE_TEXTS, STYLES

# Every label array of a shard sample, in the order of its npz.
LABELS = tuple(field.name for field in label_fields())
SCORES = tuple(name for name in schema.FILTER.names if name.startswith(schema.SCORE))
IMAGES = ("png", "jpg")
# What a sample's members take at most, for readers that trust nobody: far above any of ours.
MOST_BYTES = {"png": 16 << 20, "jpg": 16 << 20, "json": 64 << 10, "npz": 64 << 10}
_SEAL = b',"sha256":"%b"}'
_SEAL_BYTES = len(_SEAL % bytes(64))
_TEXTS = ("sample_id", "style", "split", "source_id", "proportions", "generator")


def style_of(sample_id: str) -> str:
    """The style that the id of a sample names."""
    return sample_id.rpartition("-")[0]


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
        "noise_seed": row["noise_seed"],
        "scores": {name.removeprefix(schema.SCORE): round(float(row[name]), 6) for name in SCORES},
    }
    text = json.dumps(words, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    labels = pack(row)
    return {row["image_format"]: row["image"], "json": sealed(row["image"], text, labels), "npz": labels}


def sealed(image: bytes, text: bytes, labels: bytes) -> bytes:
    """The json object `text` with the sha256 of the sample for its last entry."""
    digest = hashlib.sha256(image)
    digest.update(labels)
    digest.update(text)
    return text[:-1] + _SEAL % digest.hexdigest().encode()


def check_seal(image: bytes, text: bytes, labels: bytes) -> None:
    """Raises ValueError where the members of a sample are not those that were written together."""
    if sealed(image, text[:-_SEAL_BYTES] + b"}", labels) != text:
        raise ValueError("differs from its sha256")


def decode_words(data: bytes, sample_id: str) -> dict:
    """The words of a sample's json. Raises ValueError where they are not those of this sample; UserError for another schema version."""
    try:
        words = json.loads(data)
    except RecursionError:
        raise ValueError("not the words of a sample") from None
    if not isinstance(words, dict):
        raise ValueError("not the words of a sample")
    schema.check_version(words.get("schema_version"), f"sample {sample_id}")
    wrong = [name for name in _TEXTS if not isinstance(words.get(name), str)]
    if wrong or words["sample_id"] != sample_id or words["style"] not in STYLES or not isinstance(words.get("text"), dict):
        raise ValueError(f"not the words of sample {sample_id}")
    return words


def prompt_of(style: str, appearance: str, motion: str) -> str:
    """The words that a generator is given: style, looks, motion; what is not known is left out."""
    return ", ".join(part for part in (STYLE_TEXTS[style], appearance, motion) if part)
