"""All that the page is told, and the page."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from manifests.dataset import OUTCOMES
from manifests.skeleton import EDGES, JOINTS, SMPL_JOINTS
from pipeline.plan import Pipeline
from pipeline.report import counts, results, samples, times
from pipeline.report.folder import PASSED, Folder
from pipeline.store import Store

FILE = "report.html"
# What takes the place of {{name}} in page.html; the data comes last, for it may hold anything.
_PARTS = ("page.css", "three.min.js", "figures.js", "charts.js", "page.js")
# Type and scale of the numbers of a coarse.Skin: tenths of a millimetre, hundredths of one, indices, and weights of 255 in all.
_NUMBERS = {"vertices": ("<i2", 1e4), "shapes": ("<i2", 1e5), "faces": ("<u2", 1), "bones": ("u1", 1), "weights": ("u1", 255)}


def report(pipeline: Pipeline, store: Store, body: Any) -> bytes:
    """The page of a run. body: a stages.body.coarse.Coarse. Raises UserError where the run is damaged."""
    page = _file("page.html")
    for name in _PARTS:
        page = page.replace(f"{{{{{name}}}}}", _file(name))
    # Inside a script element only "</" and "<!" mean anything.
    data = json.dumps(told(Folder(pipeline, store), body), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return page.replace("{{data}}", data.replace("<", "\\u003c")).encode()


def told(folder: Folder, body: Any) -> dict[str, Any]:
    """Everything on the page, as JSON has it. Equal runs tell the same."""
    recipe, shown, lost = folder.pipeline.recipe, samples.gallery(folder), samples.losses(folder)
    ids = [i for some in shown.values() for i in some] + [i for group in lost for i in group["shown"]]
    return {
        "name": recipe.name, "seed": recipe.seed, "styles": list(recipe.styles), "joints": JOINTS, "edges": EDGES,
        "outcomes": _outcomes(folder), "gallery": shown, "losses": lost, "samples": samples.records(folder, ids, body),
        "facts": counts.distributions(folder), "stages": times.stages(folder), "launches": times.launches(folder.store),
        "results": results.results(folder.store), "judged": results.judged(folder.store, body),
        "dataset": _dataset(folder), "body": _body(body), "recipe": _recipe(folder.pipeline),
        "own_body": recipe.body.path is not None,
    }  # fmt: skip


def _outcomes(folder: Folder) -> dict[str, Any]:
    """How many samples of each style ended in which way; and in which split, of those that were kept."""
    kinds = OUTCOMES if folder.is_judged else (PASSED, "rejected", "failed")
    groups = folder.verdicts.group_by(["style", "outcome", "split"], use_threads=False).aggregate([("sample_id", "count")]).to_pylist()
    by_style: dict[str, dict[str, int]] = {style: dict.fromkeys(kinds, 0) for style in folder.pipeline.recipe.styles}
    splits = {"train": 0, "val": 0}
    for group in groups:
        by_style[group["style"]][group["outcome"]] += group["sample_id_count"]
        if group["outcome"] == kinds[0] and group["split"] in splits:
            splits[group["split"]] += group["sample_id_count"]
    return {"kinds": kinds, "styles": by_style, "splits": splits, "judged": folder.is_judged}


def _dataset(folder: Folder) -> dict[str, Any] | None:
    if folder.index is None:
        return None
    index = folder.index
    about = {"title": index.title, "licence": index.licence, "samples": index.samples, "planned": index.planned}
    return {**about, "shards": len(index.shards), "bytes": sum(s.bytes for s in index.shards), "size": index.image_size}


def _body(body: Any) -> dict[str, Any]:
    """The skin that all figures share, each array in base64 and its scale; the side of each bone: 0 middle, 1 right, 2 left."""
    arrays = {name: (np.round(getattr(body.skin, name) * scale).astype(kind), scale) for name, (kind, scale) in _NUMBERS.items()}
    sides = [1 if name.startswith("right") else 2 if name.startswith("left") else 0 for name in SMPL_JOINTS]
    return {"sides": sides, **{name: [samples.as_text(values.tobytes()), scale] for name, (values, scale) in arrays.items()}}


def _recipe(pipeline: Pipeline) -> dict[str, Any]:
    """Every field that decided the data; of paths the last name alone."""
    fields = [field for stage in pipeline.stages for field in pipeline.configs[stage.name].fields()]
    return {name: Path(value).name if is_path and value else value for name, value, is_path in sorted(fields, key=lambda f: f[0])}


def _file(name: str) -> str:
    return (resources.files("pipeline.report") / "data" / name).read_text("utf-8")
