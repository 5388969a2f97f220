"""`dataset.json`: what the dataset holds and where it comes from; and the pages for people and machines that follow from it."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.arrays import label_fields
from manifests.dataset import CARD, CROISSANT, FILE, PREVIEW, Index, make_index, tallied
from manifests.schema import SHARDS, TALLIES, shape_of
from manifests.skeleton import EDGES, JOINTS
from manifests.stage import Context, Stage
from stages.shards.card import card
from stages.shards.croissant import croissant
from stages.shards.preview import preview

VERDICTS_A_FILE = 1_000_000
BUNDLED = "CC0-1.0"


class IndexStage(Stage):
    """Dataset scope: the index of all shards, the verdict on every sample that was ever planned, card, Croissant, preview."""

    name = "index"
    version = 7
    scope = "dataset"
    config = ("name", "card", "styles", "poses", "projections", "sketches", "filter", "split", "val", "shards", "body")
    reads = tuple(SHARDS.names)
    writes = TALLIES

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        tallies, shards = tallied(ctx.ledger), table.sort_by("shard").to_pylist()
        index = self._index(ctx, shards, tallies, write_verdicts(ctx))
        lost = ctx.ledger.filter(pc.not_equal(ctx.ledger["outcome"], "kept")).sort_by("sample_id").to_pylist()
        pages = {
            CARD: card(index).encode(),
            CROISSANT: croissant(index),
            PREVIEW: preview(index, [row["previews"] for row in shards], lost).encode(),
        }
        known = index.model_copy(update={"pages": {name: hashlib.sha256(data).hexdigest() for name, data in pages.items()}})
        for name, data in (pages | {FILE: known.to_bytes()}).items():
            with ctx.sink.open(name) as file:
                file.write(data)
        return tallies

    def _index(self, ctx: Context, shards: list[dict], tallies: pa.Table, verdicts: list[dict]) -> Index:
        made_from = {name: Path(value).name if is_path and value else value for name, value, is_path in self.cfg.fields()}
        about = self.cfg.card
        return make_index(
            name=self.cfg.name,
            title=about.title or self.cfg.name,
            licence=about.licence or licence_of(self.cfg),
            creators=about.creators,
            url=about.url,
            published=about.published,
            seed=ctx.seed,
            planned=sum(tallies["samples"].to_pylist()),
            samples=sum(row["samples"] for row in shards),
            image_size=self.cfg.projections.size,
            image_format=self.cfg.sketches.image_format,
            generators=sorted({name for row in shards for name in row["generators"]}),
            tallies=tallies.to_pylist(),
            shards=[{name: row[name] for name in ("shard", "split", "samples", "bytes", "sha256")} for row in shards],
            verdicts=verdicts,
            recipe={name: value for name, value in made_from.items() if not name.startswith("card.")},
            files={name: ctx.declared[name] for name, value, is_path in self.cfg.fields() if is_path and value},
            stages=tuple(ctx.versions.items()),
            **layout(),
        )


def layout() -> dict[str, Any]:
    """What the index says of every sample of this schema version."""
    return {"labels": [_label(field) for field in label_fields()], "joints": JOINTS, "edges": EDGES}


def licence_of(cfg: Any) -> str:
    """CC0 where body, poses and pictures all come from bundled parts, else a sentence that names what was brought in."""
    brought = ["the body file"] if cfg.body.path else []
    brought += sorted({f"{s.kind} poses" for s in cfg.poses.sources if getattr(s, "path", None)})
    model = cfg.sketches.diffusion
    if cfg.sketches.source != "renderer" and (model.model or model.hub or model.controlnet or model.tiny_vae):
        brought.append("the generator")
    return f"not stated; the licences of {', '.join(brought)} apply" if brought else BUNDLED


def write_verdicts(ctx: Context) -> list[dict]:
    """Write `verdicts/*.parquet`; returns the index's entries of them."""
    verdicts, entries = ctx.ledger.sort_by("sample_id"), []
    for number, start in enumerate(range(0, max(1, len(verdicts)), VERDICTS_A_FILE)):
        part, name = verdicts.slice(start, VERDICTS_A_FILE), f"verdicts/{number:06d}.parquet"
        with ctx.sink.open(name) as file:
            pq.write_table(part, file, compression="zstd")
        entries.append({"file": name, "rows": len(part), "bytes": file.size, "sha256": file.sha256})
    return entries


def _label(field: pa.Field) -> dict:
    meta = {k.decode(): v.decode() for k, v in field.metadata.items()}
    kind = str(field.type.value_type)
    return {"name": field.name, "dtype": {"float": "float32"}.get(kind, kind), "shape": shape_of(field)} | {
        name: meta.get(name, "") for name in ("unit", "frame", "doc")
    }
