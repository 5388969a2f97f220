"""Samples through stages without a run folder: what tests and benchmarks of single stages start from."""

import pyarrow as pa

from manifests.schema import PLANNED
from manifests.stage import Context, Stage


def through(stages: list[Stage], ids: list[str], seed: int = 1) -> tuple[pa.Table, list[pa.Table]]:
    """All columns known of the samples at the end, and each stage's own table. Nothing is left out, rejected rows neither."""
    known = pa.table([ids, [i.partition("-")[0] for i in ids]], schema=PLANNED)
    tables = []
    for stage in stages:
        ctx = Context.alone(seed, stage.name)
        tables.append(stage.process(known.select(["sample_id", "style", *stage.reads]), ctx))
        for name in set(tables[-1].schema.names) - set(known.schema.names):
            known = known.append_column(tables[-1].schema.field(name), tables[-1].column(name))
    return known, tables
