"""Reviewers' decisions: saved whole, named by a rerun as what changed, followed by the selection."""

import json
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.schema import VERDICTS
from manifests.stage import KEEP, REJECT
from pipeline.commit import read_table
from pipeline.decisions import FILE, decide, read_decisions, summary
from pipeline.plan import Pipeline
from pipeline.run import run
from pipeline.status import status
from pipeline.store import Store
from tests.conftest import tree
from tests.toy import SPECS, toy_recipe

RECIPE = toy_recipe(run__workers=0)


def _verdicts(folder):
    rows = read_table(Store(str(folder)), "select/round-0.parquet", VERDICTS).to_pylist()
    return {row["sample_id"]: row for row in rows}


def _run(folder):
    run(RECIPE, str(folder), SPECS, quiet=True)
    return _verdicts(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decisions") / "run"
    return folder, _run(folder)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([KEEP, REJECT, ""])), max_size=12))
def test_the_file_follows_from_the_decisions_alone(tmp_path_factory, made):
    store = Store(str(tmp_path_factory.mktemp("one")))
    for sample_id, decision in made:
        decide(store, sample_id, decision)
    wanted = {i: d for i, d in dict(made).items() if d}
    assert read_decisions(store) == wanted and list(read_decisions(store)) == sorted(wanted)
    other = Store(str(tmp_path_factory.mktemp("other")))
    for sample_id, decision in sorted(wanted.items(), reverse=True):
        decide(other, sample_id, decision)
    assert (store.read(FILE) if made else b"") == (other.read(FILE) if wanted else b"")


def _decide_all(folder, names):
    store = Store(folder)
    for name in names:
        decide(store, name, KEEP)


def test_two_reviewers_lose_nothing(tmp_path):
    names = [f"ink-{n:06d}" for n in range(80)]
    with get_context("spawn").Pool(2) as pool:
        pool.starmap(_decide_all, [(str(tmp_path), names[::2]), (str(tmp_path), names[1::2])])
    assert read_decisions(Store(str(tmp_path))) == dict.fromkeys(names, KEEP)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b'{"sample_id": "a", "decision": "keep"}\n{"sample_id"', "line 2: expected"),
        (b'{"sample_id": "a", "decision": "maybe"}\n', "line 1: the decision is 'maybe', expected keep or reject"),
        (b"[]\n", "line 1: expected"),
        (b"[" * 100_000 + b"\n", "line 1: expected"),
        (b"\xff\n", "is not text"),
    ],
)
def test_what_is_no_decision_is_named(tmp_path, text, sentence):
    store = Store(str(tmp_path))
    store.write(FILE, text)
    with pytest.raises(UserError, match=sentence):
        read_decisions(store)


def test_decisions_are_followed_and_taken_back(made):
    folder, before = made
    store, plain = Store(str(folder)), tree(folder)
    kept = next(i for i, row in before.items() if row["outcome"] == "kept")
    unlucky = next(i for i, row in before.items() if row["reason"] == "unlucky")
    decide(store, kept, REJECT)
    decide(store, unlucky, KEEP)
    why = status(Pipeline(RECIPE, SPECS, store), store)["select"].why
    assert list(why) == [f"{FILE}: nothing → {summary(read_decisions(store))[:37]}…"]
    after = _run(folder)
    assert after[kept]["outcome"] == "rejected" and after[kept]["stage"] == "select" and "reviewer" in after[kept]["reason"]
    assert after[unlucky]["outcome"] in ("kept", "surplus") and after[unlucky]["reason"] == ""
    assert after.keys() == before.keys()
    events = [json.loads(line) for line in sorted(folder.glob("events/*.jsonl"))[-1].read_text().splitlines()]
    assert {e["stage"] for e in events if e["event"] == "unit"} == {"select", "shards", "index"}
    decide(store, kept, "")
    decide(store, unlucky, "")
    assert _run(folder) == before
    assert {name: digest for name, digest in tree(folder).items() if not name.startswith("review/")} == plain


def test_a_decision_about_nothing_known_changes_no_verdict(made):
    folder, before = made
    decide(Store(str(folder)), "ink-999999", KEEP)
    assert _run(folder) == before
    decide(Store(str(folder)), "ink-999999", "")
    _run(folder)
