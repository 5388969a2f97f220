"""The selection: duplicates, leaks, reviewers and counts, in their order, with every sample accounted for."""

import numpy as np
import pytest

from manifests import schema
from manifests.randomness import order_key
from manifests.recipe import Recipe
from manifests.stage import KEEP, REJECT, Config, Context
from stages.pictures import UNREADABLE
from stages.select import COPY, LEAK, REVIEWED, Select


def _stage(count: int = 6, per_style: int | None = None, **duplicates) -> Select:
    recipe = {"name": "t", "styles": ["ink"], "poses": {"count": count}, "val": {"per_style": per_style}}
    return Select(Config(Recipe.model_validate({**recipe, "select": {"duplicates": duplicates}}), Select.config))


def _table(splits: str, seed: int = 0):
    """Samples ink-000000 and so on that have nothing in common; t: of the split train, v: of val."""
    rng, n = np.random.default_rng(seed), len(splits)
    return {
        "sample_id": [f"ink-{i:06d}" for i in range(n)], "style": ["ink"] * n, "split": [{"t": "train", "v": "val"}[s] for s in splits],
        "image_bytes": [50_000] * n, "picture_hash": rng.integers(0, 2**63, n).tolist(), "thumbnail": rng.integers(0, 256, (n, 16, 16)),
        "pose": rng.normal(0, 0.3, (n, 24, 3)), "joints3d": rng.normal(0, 0.4, (n, 16, 3)),
    }  # fmt: skip


def _verdicts(columns: dict, stage: Select, lost: list[dict] = (), **decisions: str) -> dict[str, tuple[str, str]]:  # type: ignore[assignment]
    fields = {field.name: field for s in (schema.PLANNED, schema.POSES, schema.SKETCHES, schema.FILTER, schema.PROJECTIONS) for field in s}
    table = schema.to_table(schema.pa.schema([fields[name] for name in columns]), columns)
    table = table.take(np.random.default_rng(1).permutation(len(table)))
    ledger = schema.pa.Table.from_pylist(list(lost), schema=schema.LOSSES)
    decided = {name.replace("_", "-"): decision for name, decision in decisions.items()}
    out = stage.process(table, Context(0, "select", "all", None, "cpu", ledger, decided)).to_pylist()  # type: ignore[arg-type]
    assert sorted(row["sample_id"] for row in out) == sorted({*columns["sample_id"], *(row["sample_id"] for row in lost)})
    assert out == sorted(out, key=lambda row: (row["shard"], order_key(0, row["sample_id"])))
    assert all(bool(row["shard"]) == (row["outcome"] == "kept") for row in out)
    return {row["sample_id"]: (row["outcome"], row["reason"]) for row in out}


def _same_picture(columns: dict, a: int, b: int) -> dict:
    columns["picture_hash"][b] = columns["picture_hash"][a] ^ 5
    columns["thumbnail"][b] = columns["thumbnail"][a]
    return columns


def test_the_lowest_id_of_like_pictures_wins():
    said = _verdicts(_same_picture(_table("tttt"), 1, 3), _stage())
    assert said["ink-000003"] == ("rejected", COPY) and [o for o, _ in said.values()].count("kept") == 3


def test_across_the_splits_train_loses_whatever_the_ids():
    assert _verdicts(_same_picture(_table("tvtt"), 0, 1), _stage())["ink-000000"] == ("rejected", COPY)
    assert _verdicts(_same_picture(_table("vttt"), 0, 1), _stage())["ink-000001"] == ("rejected", COPY)


@pytest.mark.parametrize(("splits", "gone"), [("tv", 0), ("vt", 1), ("tt", None), ("vv", None)])
def test_a_pose_is_on_one_side_alone(splits, gone):
    columns = _table(splits)
    for name, moved in (("pose", 0.0), ("joints3d", np.array([3.0, 0, 1]))):  # elsewhere before the camera
        columns[name][1] = columns[name][0] + moved
    rejected = [i for i, said in _verdicts(columns, _stage()).items() if said == ("rejected", LEAK)]
    assert rejected == ([] if gone is None else [f"ink-{gone:06d}"])


def test_duplicates_can_stay():
    said = _verdicts(_same_picture(_table("tttt"), 1, 3), _stage(on=False))
    assert all(outcome == "kept" for outcome, _ in said.values())


def test_reviewers_reject_and_what_they_reject_makes_no_other_a_copy():
    said = _verdicts(_same_picture(_table("tttt"), 1, 3), _stage(), ink_000001=REJECT)
    assert said["ink-000001"] == ("rejected", REVIEWED) and said["ink-000003"] == ("kept", "")


def test_reviewers_keep_copies_but_no_leaks_nor_more_than_the_count():
    columns = _same_picture(_table("tttt"), 1, 3)
    assert _verdicts(columns, _stage(), ink_000003=KEEP)["ink-000003"] == ("kept", "")
    assert _verdicts(columns, _stage(count=2), ink_000003=KEEP)["ink-000003"] == ("surplus", "")
    leak = _table("tv")
    for name in ("pose", "joints3d"):
        leak[name][1] = leak[name][0]
    assert _verdicts(leak, _stage(), ink_000000=KEEP)["ink-000000"] == ("rejected", LEAK)


def test_what_reviewers_bring_back_is_counted_once_and_the_unreadable_stays_away():
    loss = {"style": "ink", "split": "train", "outcome": "rejected", "stage": "filter"}
    lost = [{**loss, "sample_id": f"ink-{i:06d}", "reason": reason} for i, reason in ((1, "another style"), (2, UNREADABLE), (9, "blank"))]
    said = _verdicts(_table("ttt"), _stage(), lost, ink_000001=KEEP, ink_000002=KEEP)
    assert said["ink-000001"] == ("kept", "")
    assert said["ink-000002"] == ("rejected", UNREADABLE) and said["ink-000009"] == ("rejected", "blank")


def _counted(said: dict[str, tuple[str, str]], columns: dict) -> dict[tuple[str, str], int]:
    ends = [(split, said[i][0]) for i, split in zip(columns["sample_id"], columns["split"], strict=True)]
    return {end: ends.count(end) for end in sorted(set(ends))}


def test_as_many_are_held_out_as_the_recipe_says():
    columns = _table("tvvttvvtvt")
    plain, exact = (_counted(_verdicts(columns, _stage(5, n)), columns) for n in (None, 2))
    assert plain == {("train", "kept"): 3, ("train", "surplus"): 2, ("val", "kept"): 2, ("val", "surplus"): 3}
    assert exact == {("train", "kept"): 3, ("train", "surplus"): 2, ("val", "kept"): 2, ("val", "surplus"): 3}
    assert _counted(_verdicts(columns, _stage(5, 4)), columns)["val", "kept"] == 4


def test_more_is_asked_for_as_the_side_that_lacks_most_came_through():
    made = schema.pa.Table.from_pylist(
        [{**dict.fromkeys(schema.VERDICTS.names, ""), "style": "ink", "split": s, "outcome": "kept"} for s in ["train"] * 18 + ["val"] * 2],
        schema=schema.VERDICTS,
    )
    assert _stage(30).shortfall(made) == {"ink": 10}
    assert _stage(30, 5).shortfall(made) == {"ink": 30}  # three of val, of which one in ten is
    assert _stage(20, 2).shortfall(made) == {}
