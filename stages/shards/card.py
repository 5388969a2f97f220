"""The dataset's card: Markdown for people, with the few lines at the top that the Hugging Face Hub reads. All from the index."""

import json
from collections.abc import Iterable

from manifests.dataset import CROISSANT, FILE, OUTCOMES, PREVIEW, Index
from manifests.markdown import plain, table

# Licences that the Hub knows by the SPDX id in small letters.
HUB = ("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "apache-2.0", "mit")
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


def card(index: Index) -> str:
    """The card of a dataset as Markdown."""
    parts = [_head(index), _about(index), _counts(index), _losses(index), _sample(index), _files(index), _limits(index), _recipe(index)]
    return "\n\n".join(parts) + "\n"


def _head(index: Index) -> str:
    small = index.licence.lower()
    size = next((name for most, name in SIZES if index.samples < most), "n>10M")
    lines = [
        "---", f"license: {small if small in HUB else 'other'}", f"pretty_name: {json.dumps(index.title, ensure_ascii=False)}",
        "task_categories: [keypoint-detection]", "tags: [sketch, 3d-human-pose, smpl, webdataset, synthetic]",
        f"size_categories: [{size}]", "---",
    ]  # fmt: skip
    return "\n".join(lines)


def _about(index: Index) -> str:
    makers = f" By {', '.join(index.creators)}." if index.creators else ""
    where = f" Published at {index.url}." if index.url else ""
    return (
        f"# {plain(index.title)}\n\n"
        f"{index.samples} drawings of people, each with its 3D pose: {index.image_size} pixels a side, {index.image_format}, "
        f"in {len(index.shards)} WebDataset shards ({_megabytes(s.bytes for s in index.shards)}).{makers}{where}\n\n"
        f"**Licence:** {plain(index.licence)}. **Schema version:** {index.schema_version}. **Seed:** {index.seed}."
    )


def _counts(index: Index) -> str:
    kept = index.counted("style", "split", outcome="kept")
    styles = sorted({style for style, _ in index.counted("style", "outcome")})
    counts = {style: [kept.get((style, split), 0) for split in ("train", "val")] for style in styles}
    counts["all"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    return "## Samples\n\n" + table(["style", "train", "val", "both"], [[style, *row, sum(row)] for style, row in counts.items()])


def _losses(index: Index) -> str:
    by_style = index.counted("outcome", "style")
    styles = sorted({style for _, style in by_style})
    counts = {outcome: [by_style.get((outcome, style), 0) for style in styles] for outcome in OUTCOMES}
    counts["planned"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    rows = [[outcome, *row, sum(row)] for outcome, row in counts.items()]
    reasons = [
        [outcome, stage or "select", reason or "more than were asked for", count]
        for (outcome, stage, reason), count in index.counted("outcome", "stage", "reason").items()
        if outcome != "kept"
    ]
    return (
        "## What became of every planned sample\n\n"
        "Nothing is left out: kept + rejected + surplus + failed = planned. Each sample's verdict is in `verdicts/`.\n\n"
        + table(["outcome", *styles, "all"], rows)
        + "\n\n"
        + (table(["outcome", "stage", "reason", "samples"], reasons) if reasons else "Every planned sample was kept.")
    )


def _sample(index: Index) -> str:
    rows = [[f"`{a.name}`", "x".join(map(str, a.shape)), a.dtype, a.unit, a.frame, a.doc] for a in index.labels]
    return (
        "## A sample\n\n"
        f"Three members, always the same: `<id>.{index.image_format}`, the drawing; `<id>.json`, words, split, source, seal; "
        "`<id>.npz`, the arrays below. The camera frame has x right, y down, z away from the viewer, metres; pixels count from the "
        "top-left corner, the centre of the first is (0.5, 0.5).\n\n"
        + table(["array", "shape", "type", "unit", "frame", "meaning"], rows)
        + f"\n\nThe {len(index.joints)} joints: {', '.join(index.joints)}."
    )


def _files(index: Index) -> str:
    shards = [[f"`{s.shard}`", s.samples, s.bytes, f"`{s.sha256}`"] for s in index.shards]
    verdicts = [[f"`{v.file}`", v.rows, v.bytes, f"`{v.sha256}`"] for v in index.verdicts]
    return f"## Files\n\n`{FILE}` is the index, `{CROISSANT}` its Croissant form, `{PREVIEW}` shows some samples.\n\n" + table(
        ["file", "rows", "bytes", "sha256"], [*shards, *verdicts]
    )


def limits(index: Index) -> list[str]:
    """What a user should know before he trusts the dataset."""
    return [
        f"The pictures are made, not drawn by people; they come from {', '.join(index.generators) or 'nobody'}.",
        "One figure a picture; poses, bodies and cameras follow the recipe, not the habits of draughtsmen.",
        "joints3d, pose and contacts belong to the undistorted body; joints2d and joints3d_drawn to the drawn proportions.",
        f"pose and betas are of {_body(index)}.",
        "pose has no fingers and no face; the head's joint is the centre of the skull.",
        "The split is a hash of each pose's source, so no source has samples on both sides.",
    ]


def _body(index: Index) -> str:
    return index.recipe.get("body.path") or "the bundled body, which is not SMPL: from the same betas SMPL makes other people"


def _limits(index: Index) -> str:
    return "## Limits\n\n" + "\n".join(f"- {plain(line)}" for line in limits(index))


def _recipe(index: Index) -> str:
    rows = [[f"`{name}`", f"`{json.dumps(value, ensure_ascii=False, sort_keys=True)}`"] for name, value in sorted(index.recipe.items())]
    made = ", ".join(f"{name} {version}" for name, version in index.stages)
    files = "\n".join(f"- `{name}`: `{digest}`" for name, digest in sorted(index.files.items()))
    return "\n\n".join(filter(None, ["## Recipe", table(["field", "value"], rows), files, made and f"Stages and their versions: {made}."]))


def _megabytes(sizes: Iterable[int]) -> str:
    return f"{sum(sizes) / 1e6:.1f} MB"
