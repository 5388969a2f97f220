"""How many planted defects the filter catches: `python -m stages.filters.evaluate --each 200`; `make evaluate-filter`.

Drawings of the renderer, of poses that neither the detector nor the calibration has seen, go through the filter as they are, and
again with a defect planted in each. The last line is JSON: the share caught of each defect, and of clean drawings lost. It ends with 1
where less than 0.95 of any defect are caught, or more than 0.1 of clean drawings lost.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from manifests import schema
from manifests.errors import command
from manifests.recipe import Duplicates
from manifests.recipe_files import load_recipe
from manifests.skeleton import EDGES, STYLES
from manifests.stage import Config, Context
from stages.duplicates import copies
from stages.filters.planted import add_figure, blank, copied, erasable_limb, erased, is_another_pose
from stages.filters.sketchbook import Sketchbook
from stages.filters.stage import Filter
from stages.pictures import decode, grid, png
from stages.select import COPY

LEAST_CAUGHT, MOST_LOST = 0.95, 0.1
SEED = 8001  # of drawings that no calibration has seen
DEFECTS = ("another pose", "limb erased", "second figure", "blank", "duplicate", "another style")
_COLUMNS = ("sample_id", "style", "image", "joints2d", "visibility", "bbox")
_COLUMNS_SHOWN, _CELL = 12, 128  # of the sheets


def planted(defect: str, book: Sketchbook, at: int, rng: np.random.Generator) -> dict | None:
    """The row of drawing `at` with a defect in it; None where it does not suit."""
    row, drawn = book.rows[at], book.drawn[at]
    same = [i for i, other in enumerate(book.rows) if other["style"] == row["style"] and i != at]
    other = int(rng.choice(same)) if same else at
    if defect == "another style":
        return {**row, "style": str(rng.choice([style for style in STYLES if style != row["style"]]))}
    if defect == "another pose":
        labels = {name: book.rows[other][name] for name in ("joints2d", "visibility", "bbox")}
        return {**row, **labels} if is_another_pose(drawn, book.drawn[other]) else None
    picture = {
        "limb erased": lambda: erased(drawn, limb) if (limb := erasable_limb(drawn)) else None,
        "second figure": lambda: add_figure(drawn, book.drawn[other], rng) if other != at else None,
        "blank": lambda: blank(drawn.image, rng),
        "duplicate": lambda: copied(drawn.image, rng),
    }[defect]()
    return None if picture is None else {**row, "image": png(picture)}


def _planted_rows(defect: str, book: Sketchbook, each: int, seed: int) -> list[dict]:
    """`each` rows with the defect; more is drawn where the drawings at hand do not suit."""
    rng, rows = np.random.Generator(np.random.Philox(seed + DEFECTS.index(defect))), []
    for at, _ in enumerate(book.pages()):
        row = planted(defect, book, at, rng)
        rows += [row] if row else []
        if len(rows) == each:
            break
    return rows


def judged(stage: Filter, rows: list[dict]) -> pa.Table:
    """The filter's table for rows that hold a sketch and its labels."""
    fields = [next(t.field(name) for t in (schema.PLANNED, schema.SKETCHES, schema.PROJECTIONS) if name in t.names) for name in _COLUMNS]
    table = schema.to_table(pa.schema(fields), {name: [row[name] for row in rows] for name in _COLUMNS})
    return stage.process(table, Context.alone(0, stage.name))


def duplicates(clean: pa.Table, again: pa.Table, bits: int, most: float) -> tuple[list[bool], list[bool]]:
    """Which of the clean pictures look like another of them, and which of the copies like the picture that they are of."""
    both = pa.concat_tables([clean, again])
    both = both.append_column("split", pa.array(["train"] * len(both)))
    found = set(copies(both, np.ones(len(both), bool), bits, most))
    return [i in found for i in range(len(clean))], [len(clean) + i in found for i in range(len(again))]


def evaluate(stage: Filter, bounds: Duplicates, each: int, seed: int, show: Path | None) -> dict:
    """The share of each defect that is caught, and of clean drawings that are lost; pictures of the defects into `show`."""
    book = Sketchbook(seed)
    planted_rows = {defect: _planted_rows(defect, book, each, seed) for defect in DEFECTS}
    clean = judged(stage, book.rows)
    made = {defect: judged(stage, rows) for defect, rows in planted_rows.items()}
    like, copied_ = duplicates(clean, made["duplicate"], bounds.hash_bits, bounds.picture)
    reasons = {"clean": [r or (COPY if d else "") for r, d in zip(clean["reason"].to_pylist(), like, strict=True)]}
    for defect, table in made.items():
        reasons[defect] = table["reason"].to_pylist()
    reasons["duplicate"] = [COPY if found else "" for found in copied_]
    for line in _report(reasons, {"clean": book.rows, **planted_rows}):
        print(line)
    if show:
        _show(show, {"clean": book.rows, **planted_rows}, reasons)
    share = {name: round(float(np.mean([bool(r) for r in those])), 4) for name, those in reasons.items()}
    return {"caught": {defect: share[defect] for defect in DEFECTS}, "lost": share["clean"]}


def fit(figures: dict) -> bool:
    """Whether a filter of these figures is good enough to ship."""
    return min(figures["caught"].values()) >= LEAST_CAUGHT and figures["lost"] <= MOST_LOST


def _report(reasons: dict[str, list[str]], rows: dict[str, list[dict]]) -> Iterator[str]:
    """Rejected of each kind by style, and the reasons given."""
    yield f"{'rejected of':<16}" + "".join(f"{style:>10}" for style in STYLES)
    for name, given in reasons.items():
        styles = [row["style"] for row in rows[name]]
        by_style = [[bool(r) for r, s in zip(given, styles, strict=True) if s == style] for style in STYLES]
        yield f"{name:<16}" + "".join(f"{sum(b):>5}/{len(b):<4}" for b in by_style)
    for name, given in reasons.items():
        told = Counter(given).most_common()
        yield f"{name}: " + ", ".join(f"{reason or 'passed'} {count}" for reason, count in told)


def _show(folder: Path, rows: dict[str, list[dict]], reasons: dict[str, list[str]]) -> None:
    """A sheet of each kind: what was judged wrongly first, framed in red."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, those in rows.items():
        right = [bool(reason) != (kind == "clean") for reason in reasons[kind]]
        order = sorted(range(len(those)), key=lambda i: right[i])[: _COLUMNS_SHOWN**2]
        sheet = grid([_cell(those[i], right[i]) for i in order], _COLUMNS_SHOWN)
        (folder / f"{kind.replace(' ', '-')}.png").write_bytes(png(sheet))


def _cell(row: dict, right: bool) -> np.ndarray:
    picture = decode(row["image"])
    assert picture is not None
    scale = _CELL / len(picture)
    cell = cv2.resize(picture, (_CELL, _CELL), interpolation=cv2.INTER_AREA)
    for a, b in EDGES:
        ends = [tuple(int(v) for v in np.clip(row["joints2d"][joint] * scale, -999, 999)) for joint in (a, b)]
        cv2.line(cell, ends[0], ends[1], (240, 150, 30), 1, cv2.LINE_AA)
    return cell if right else cv2.rectangle(cell, (1, 1), (_CELL - 2, _CELL - 2), (220, 30, 40), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=200, help="drawings with each defect")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--weights", help="folder of a detector; default: the bundled one")
    parser.add_argument("--calibration", help="file of thresholds; default: the bundled one")
    parser.add_argument("--show", type=Path, help="folder for a sheet of each defect")
    args = parser.parse_args()
    given = {"filter.detector": args.weights, "filter.calibration": args.calibration}
    recipe = load_recipe("demo", [f"{key}={value}" for key, value in given.items() if value])
    stage = Filter(Config(recipe, Filter.config))
    stage.setup("cpu")
    figures = evaluate(stage, recipe.select.duplicates, args.each, args.seed, args.show)
    print(json.dumps(figures))
    sys.exit(not fit(figures))


if __name__ == "__main__":
    command(main)
