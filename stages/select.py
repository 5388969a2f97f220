"""Which samples the dataset keeps: the lowest ids of each style up to the recipe's count, packed into shards."""

from collections import defaultdict

import pyarrow as pa

from manifests.randomness import order_key
from manifests.recipe import share_out
from manifests.schema import VERDICTS
from manifests.stage import Context, Stage

# What a sample takes in a shard beside its picture, at most: words, labels, headers; and what ends a shard.
BESIDE_PICTURE, ENDING = 16 << 10, 80 << 10


class Select(Stage):
    """Dataset scope: a verdict on every planned sample, and the shard of each kept one."""

    name = "select"
    version = 2
    scope = "dataset"
    config = ("poses.count", "styles", "shards")
    reads = ("split", "image_bytes")
    writes = VERDICTS

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        rows = [{**row, "outcome": "kept", "stage": "", "reason": "", "shard": ""} for row in table.to_pylist()]
        self._mark_surplus(rows)
        self._assign_shards([r for r in rows if r["outcome"] == "kept"], ctx.seed)
        lost = [{**row, "shard": ""} for row in ctx.ledger.to_pylist()]
        # A shard holds its samples in the order of this table.
        listed = sorted(rows + lost, key=lambda r: (r["shard"], order_key(ctx.seed, r["sample_id"])))
        return pa.Table.from_pylist(listed, schema=VERDICTS)

    def shortfall(self, table: pa.Table) -> dict[str, int]:
        kept = [s for s, outcome in zip(table["style"].to_pylist(), table["outcome"].to_pylist(), strict=True) if outcome == "kept"]
        missing = {style: wanted - kept.count(style) for style, wanted in self._wanted().items()}
        return {style: n for style, n in missing.items() if n > 0}

    def _wanted(self) -> dict[str, int]:
        return share_out(self.cfg.get("poses.count"), self.cfg.styles)

    def _mark_surplus(self, rows: list[dict]) -> None:
        by_style: dict[str, list[dict]] = defaultdict(list)
        for row in sorted(rows, key=lambda r: r["sample_id"]):
            by_style[row["style"]].append(row)
        for style, wanted in self._wanted().items():
            for row in by_style[style][wanted:]:
                row["outcome"] = "surplus"

    def _assign_shards(self, kept: list[dict], seed: int) -> None:
        for split in ("train", "val"):
            mixed = sorted((r for r in kept if r["split"] == split), key=lambda r: order_key(seed, r["sample_id"]))
            for row, number in zip(mixed, self._cut([r["image_bytes"] for r in mixed]), strict=True):
                row["shard"] = f"{split}-{number:06d}"

    def _cut(self, sizes: list[int]) -> list[int]:
        """The shard's number of each sample in order, from the sizes of the pictures."""
        most, count, size = self.cfg.shards.megabytes * 1e6 - ENDING, 0, 0
        numbers: list[int] = []
        for image in sizes:
            taken = image + BESIDE_PICTURE
            if numbers and (count == self.cfg.shards.samples or size + taken > most):
                numbers.append(numbers[-1] + 1)
                count, size = 0, 0
            else:
                numbers.append(numbers[-1] if numbers else 0)
            count, size = count + 1, size + taken
        return numbers
