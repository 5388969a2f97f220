"""Runs on object stores: same bytes, one PUT a file with the marker last, a lease for a lock, listings that lie."""

import hashlib
import json
import os
import subprocess
import sys

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from manifests.errors import UserError
from pipeline.lease import Lease
from pipeline.plan import Pipeline
from pipeline.run import run
from pipeline.status import status
from pipeline.store import Store
from pipeline.verify import clean_run, verify
from tests.conftest import tree
from tests.leases import a_lease_that_ran_out_is_taken
from tests.struck import environment, plan_file
from tests.toy import SPECS, toy_recipe


def _run(url, **more):
    return run(toy_recipe(**{"run__workers": 0, **more}), url, SPECS, quiet=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """A run on a disk, by name and sha256."""
    folder = tmp_path_factory.mktemp("disk")
    _run(str(folder))
    return tree(folder)


def _same(url, expected):
    store = Store(url)
    return all(hashlib.sha256(store.read(name)).hexdigest() == sha for name, sha in expected.items())


def _objects(prefix):
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket="runs", Prefix=prefix)
    return {o["Key"].removeprefix(f"{prefix}/") for page in pages for o in page.get("Contents", ())}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bucket_holds_the_same_bytes(s3, expected, workers):
    url = f"{s3}/same-{workers}"
    _run(url, run__workers=workers)
    assert _same(url, expected)
    assert {n for n in _objects(f"same-{workers}") if not n.startswith(("lock/", "events/"))} - {"recipe.yaml"} == set(expected)
    assert _run(url).units == 0
    assert not list(verify(Pipeline(toy_recipe(), SPECS), Store(url)))


def test_every_file_is_one_put_and_the_marker_is_the_last(s3, monkeypatch):
    puts, put = [], Store.put
    monkeypatch.setattr(Store, "put", lambda self, name, data, **more: (puts.append(name), put(self, name, data, **more))[1])
    _run(f"{s3}/puts")
    tables = [n for n in puts if n.endswith((".parquet", ".tar"))]
    assert len(tables) == len(set(tables))
    for marker in (n for n in puts if n.endswith(".done.json")):
        assert puts.index(marker.replace(".done.json", ".parquet")) < puts.index(marker)


def test_killed_workers_leave_nothing_in_a_bucket(s3, expected, tmp_path):
    (tmp_path / "flags").mkdir()
    strikes = [["mid-file", 3, "self"], ["before-marker", 2, "self"], ["mid-marker", 4, "self"]]
    plan = {"strikes": strikes, "flags": str(tmp_path / "flags"), "starts": str(tmp_path / "starts")}
    plan_file(tmp_path).write_text(json.dumps(plan))
    code = f"from tests.toy import *; from pipeline.run import run; run(toy_recipe(), '{s3}/killed', SPECS, quiet=True)"
    subprocess.run([sys.executable, "-c", code], env=os.environ | environment(tmp_path), check=True)
    assert len(list((tmp_path / "flags").iterdir())) == 3
    assert _same(f"{s3}/killed", expected)


def test_listings_that_show_half_of_it_change_nothing(s3, expected, monkeypatch):
    url, whole = f"{s3}/late", Store.list
    monkeypatch.setattr(Store, "list", lambda self, folder: whole(self, folder)[::2])
    _run(url, poses__count=60)
    _run(url)
    assert _run(url).units == 0
    assert _same(url, {n: s for n, s in expected.items() if n.startswith("dataset/")})
    assert {"events/0000.jsonl", "events/0001.jsonl"} <= _objects("late")  # neither launch wrote over the other's log


def test_a_bucket_is_cleaned_and_shrinks(s3, expected):
    url = f"{s3}/clean"
    _run(url, poses__count=60)
    _run(url)
    pipeline, store = Pipeline(toy_recipe(), SPECS), Store(url)
    assert {n for n in _objects("clean") if n.startswith("dataset/")} == {n for n in expected if n.startswith("dataset/")}
    assert clean_run(pipeline, store) > 0
    assert not list(verify(pipeline, store)) and status(pipeline, store)["shards"].counts["to do"] == 0


def test_the_second_launcher_on_a_bucket_is_told_who_holds_it(s3):
    store = Store(f"{s3}/lease")
    first = Lease(store, "lock", {"host": "elsewhere", "pid": 7})
    first.take()
    with pytest.raises(
        UserError, match=r"process 7 on elsewhere is running here, heard of \d+ s ago; wait for it, or 60 s after its death"
    ):
        _run(store.url)
    assert not store.exists("recipe.yaml")
    first.release()
    assert _run(store.url).units > 0


@pytest.mark.parametrize("scheme", ["s3", "memory"])
def test_a_lease_that_ran_out_is_taken_and_its_holder_stops(s3, scheme):
    store = Store(f"{scheme}://runs/taken")
    a_lease_that_ran_out_is_taken(store)
    third = Lease(store, "lock", {"host": "h", "pid": 3})
    third.take()
    assert store.exists("lock/000003")
    third.release()


def _fail_to_renew(lease, monkeypatch, errors):
    """Raise these, one a renewal, before the store can be written again."""
    put = lease.store.put

    def faulty(name, data, **conditions):
        if not conditions and errors:
            raise errors.pop()
        put(name, data, **conditions)

    monkeypatch.setattr(lease.store, "put", faulty)


def test_a_holder_that_could_not_reach_the_store_still_notices_that_it_lost(monkeypatch):
    first, second = (Lease(Store("memory://runs/unreachable"), "lock", {"host": "h", "pid": pid}, seconds=-60) for pid in (1, 2))
    errors = [EndpointConnectionError(endpoint_url="http://there"), OSError("away")]
    _fail_to_renew(first, monkeypatch, errors)
    first.take()
    second.take()
    first._thread.join(timeout=60)
    assert not errors
    with pytest.raises(UserError, match="another has taken over"):
        first.check()
    first.release()
    second.release()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_lease_that_nothing_renews_is_given_up(monkeypatch):
    lease = Lease(Store("memory://runs/given-up"), "lock", {"host": "h", "pid": 1}, seconds=-60)
    _fail_to_renew(lease, monkeypatch, [SystemExit()])
    lease.take()
    lease._thread.join(timeout=60)
    with pytest.raises(UserError, match="its lease is no longer renewed; what is committed stays"):
        lease.check()
    lease.release()


def test_of_two_that_are_equally_fast_one_is_refused(s3, monkeypatch):
    store = Store(f"{s3}/race")
    first, second = (Lease(store, "lock", {"host": "h", "pid": pid}) for pid in (1, 2))
    monkeypatch.setattr(second, "_last", lambda: 0)  # it looked before the first had created its number
    first.take()
    with pytest.raises(UserError, match="process 1 on h is running here"):
        second.take()
    first.release()


def test_memory_cannot_be_shared(tmp_path):
    with pytest.raises(UserError, match=r"memory:// lives in one process; use --executor local and --set run.workers=0"):
        _run("memory://shared", run__workers=2)


def test_a_bucket_that_is_not_there_is_a_sentence(s3):
    with pytest.raises(UserError, match=r"s3://nowhere/run: cannot write in this run folder \("):
        _run("s3://nowhere/run")
