"""The filter stage on one core, in single precision and in bfloat16 by turns: ms a sketch, and verdicts that differ. `make bench-filter`;
the last line is JSON.
"""

import json
import time

import numpy as np
import pyarrow as pa

from manifests.recipe_files import load_recipe
from manifests.stage import Config, Context
from stages.filters.stage import Filter
from stages.library.studio import Studio, recipe_of

SEED, EACH, AT_ONCE = 8401, 32, 32
DTYPES = ("float32", "bfloat16")
CONTEXT = Context.alone(SEED, Filter.name)


def sketches() -> pa.Table:
    """EACH drawings of each style, of held-out sources, as the filter reads them."""
    made = Studio(recipe_of(SEED, 256)).chunk(0, "val", EACH)
    return made.select(["sample_id", "style", *Filter.reads])


def ready(dtype: str, warm: pa.Table) -> Filter:
    """The stage in a precision, after some rows that load what is loaded once."""
    stage = Filter(Config(load_recipe("demo", [f"filter.dtype={dtype}"]), Filter.config))
    stage.setup("cpu")
    stage.process(warm, CONTEXT)
    return stage


def main() -> None:
    table = sketches()
    stages = {dtype: ready(dtype, table.slice(0, AT_ONCE)) for dtype in DTYPES}
    seconds: dict[str, list[float]] = {dtype: [] for dtype in DTYPES}
    reasons: dict[str, list[str]] = {dtype: [] for dtype in DTYPES}
    for first in range(0, len(table), AT_ONCE):
        part = table.slice(first, AT_ONCE)
        for dtype, stage in stages.items():
            began = time.perf_counter()
            judged = stage.process(part, CONTEXT)
            seconds[dtype].append((time.perf_counter() - began) / len(part))
            reasons[dtype] += judged["reason"].to_pylist()
    ms = {dtype: round(1000 * float(np.median(each)), 1) for dtype, each in seconds.items()}
    differ = sum(a != b for a, b in zip(*reasons.values(), strict=True))
    for dtype, each in ms.items():
        print(f"{dtype:10} {each:6.1f} ms a sketch, {sum(map(bool, reasons[dtype]))} of {len(table)} rejected")
    ratio = round(ms["float32"] / ms["bfloat16"], 2)
    print(json.dumps({"ms": ms, "ratio": ratio, "verdicts_that_differ": differ, "sketches": len(table)}))


if __name__ == "__main__":
    main()
