"""`preview.html`: some samples with their joints, and some that were not kept with the reason; one file that loads nothing else."""

import base64
import html
import json
from importlib import resources
from itertools import zip_longest

from manifests.dataset import OUTCOMES, Index
from manifests.skeleton import STYLES

MOST_PICTURES, MOST_LOST = 240, 240
_DIGITS = 4


def preview(index: Index, previews: list[list[dict]], lost: list[dict]) -> str:
    """The page of a dataset. previews: rows of schema.PREVIEW, a list a shard; lost: verdicts that are not `kept`, by sample id."""
    data = {
        "joints": index.joints,
        "edges": index.edges,
        "styles": [style for style in STYLES if index.counted(style=style)],
        "outcomes": OUTCOMES,
        "kept": [_kept(row) for row in _in_turn(previews)[:MOST_PICTURES]],
        "lost": [_lost(row) for row in lost[:: -(-len(lost) // MOST_LOST) or 1]],
    }
    template = (resources.files("stages.shards") / "preview.html").read_text("utf-8")
    # Inside a script element only "</" and "<!" mean anything.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    about = f"{index.samples} samples kept of {index.planned} planned"
    return template.replace("{{title}}", html.escape(index.title)).replace("{{about}}", about).replace("{{data}}", text)


def _in_turn(previews: list[list[dict]]) -> list[dict]:
    """One of each shard, then the next of each."""
    return [row for rows in zip_longest(*previews) for row in rows if row]


def _kept(row: dict) -> dict:
    return {
        "id": row["sample_id"], "style": row["style"], "split": row["split"], "outcome": "kept", "words": row["motion"],
        "joints": [round(v, _DIGITS) for v in row["joints"]], "visibility": row["visibility"],
        "picture": base64.b64encode(row["jpeg"]).decode(),
    }  # fmt: skip


def _lost(row: dict) -> dict:
    words = ": ".join(part for part in (row["stage"], row["reason"]) if part) or "more than were asked for"
    return {"id": row["sample_id"], "style": row["style"], "split": row["split"], "outcome": row["outcome"], "words": words}
