"""Which samples the dataset keeps: what reviewers say, no duplicates, the lowest ids of each style up to the count; into shards."""

import math
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa

from manifests.randomness import order_key
from manifests.recipe import Duplicates, share_out
from manifests.schema import VERDICTS
from manifests.stage import KEEP, REJECT, Context, Stage
from stages.duplicates import copies, leaks
from stages.pictures import UNREADABLE

REVIEWED, COPY, LEAK = "a reviewer's decision", "near-duplicate picture", "pose of the other split"

# What a sample takes in a shard beside its picture, at most: words, labels, headers; and what ends a shard.
BESIDE_PICTURE, ENDING = 16 << 10, 80 << 10


class Select(Stage):
    """Dataset scope: a verdict on every planned sample, and the shard of each kept one.

    A reviewer's REJECT removes. A reviewer's KEEP overrides the filter, but for a picture that cannot be decoded, and the search
    for copies; it does not carry a pose across the splits, nor a style beyond its count.
    """

    name = "select"
    version = 4
    scope = "dataset"
    config = ("poses.count", "styles", "val", "shards", "select.duplicates")
    reads = ("split", "image_bytes", "picture_hash", "thumbnail", "pose", "joints3d")
    writes = VERDICTS
    heeds_decisions = True

    def process(self, table: pa.Table, ctx: Context) -> pa.Table:
        table, losses = self._brought_back(table.sort_by("sample_id"), ctx.ledger)
        columns = ["sample_id", "style", "split", "image_bytes"]
        rows = [{**row, "outcome": "kept", "stage": "", "reason": "", "shard": ""} for row in table.select(columns).to_pylist()]
        for row, reason in zip(rows, self._reasons(table, ctx.decisions), strict=True):
            if reason:
                row |= {"outcome": "rejected", "stage": self.name, "reason": reason}
        self._mark_surplus([r for r in rows if r["outcome"] == "kept"])
        self._assign_shards([r for r in rows if r["outcome"] == "kept"], ctx.seed)
        lost = [{**row, "shard": ""} for row in losses]
        # A shard holds its samples in the order of this table.
        listed = sorted(rows + lost, key=lambda r: (r["shard"], order_key(ctx.seed, r["sample_id"])))
        return pa.Table.from_pylist(listed, schema=VERDICTS)

    def shortfall(self, table: pa.Table) -> dict[str, int]:
        """At the rate at which each style's samples came through so far, and one of twenty at least."""
        rows = table.select(["style", "split", "outcome"]).to_pylist()
        planned = Counter(row["style"] for row in rows)
        kept = Counter(self._quota_of(row) for row in rows if row["outcome"] == "kept")
        more: dict[str, int] = {}
        for quota, wanted in self._quotas().items():
            style, come = quota[0], kept[quota]
            if come < wanted:
                usual = max(come, planned[style] // 20, 1)
                more[style] = max(more.get(style, 0), math.ceil((wanted - come) * planned[style] / usual))
        return more

    def _brought_back(self, table: pa.Table, ledger: pa.Table) -> tuple[pa.Table, list[dict]]:
        """The rows that came through or that reviewers keep, and those that stay lost. What they keep is in table and ledger."""
        losses = ledger.to_pylist()
        gone = {row["sample_id"] for row in losses if row["reason"] == UNREADABLE}
        table = table.filter(pa.array([i not in gone for i in table["sample_id"].to_pylist()], pa.bool_()))
        back = set(table["sample_id"].to_pylist())
        return table, [row for row in losses if row["sample_id"] not in back]

    def _reasons(self, table: pa.Table, decisions: dict[str, str]) -> list[str]:
        """Why each row goes; empty where it stays. Leaks go first: what has gone makes no other row a copy."""
        decided = [decisions.get(i, "") for i in table["sample_id"].to_pylist()]
        reasons = [REVIEWED if decision == REJECT else "" for decision in decided]
        if self._bounds.on:
            for row in leaks(table, self._in_play(reasons)):
                reasons[row] = LEAK
            for row in copies(table, self._in_play(reasons), self._bounds.hash_bits, self._bounds.picture):
                reasons[row] = "" if decided[row] == KEEP else COPY
        return reasons

    def _in_play(self, reasons: list[str]) -> np.ndarray:
        return np.array([not reason for reason in reasons], bool)

    @property
    def _bounds(self) -> Duplicates:
        return self.cfg.get("select.duplicates")

    def _quotas(self) -> dict[tuple[str, str], int]:
        """Samples wanted of each style, under (style, ""); where the recipe says how many are held out, under (style, split)."""
        wanted, held_out = share_out(self.cfg.get("poses.count"), self.cfg.styles), self.cfg.val.per_style
        if held_out is None:
            return {(style, ""): n for style, n in wanted.items()}
        return {(style, split): m for style, n in wanted.items() for split, m in (("train", n - held_out), ("val", held_out))}

    def _quota_of(self, row: dict) -> tuple[str, str]:
        return row["style"], "" if self.cfg.val.per_style is None else row["split"]

    def _mark_surplus(self, rows: list[dict]) -> None:
        groups: dict[tuple[str, str], list[dict]] = defaultdict(list)
        for row in sorted(rows, key=lambda r: r["sample_id"]):
            groups[self._quota_of(row)].append(row)
        for quota, wanted in self._quotas().items():
            for row in groups[quota][wanted:]:
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
