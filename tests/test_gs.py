"""Runs on gs:// by gcsfs itself, against a server that speaks Google's API: same bytes, marker last, one launcher."""

import hashlib
import os

import pytest

from manifests.errors import UserError
from pipeline.lease import Lease
from pipeline.plan import Pipeline
from pipeline.run import run
from pipeline.store import Store
from pipeline.verify import verify
from tests.conftest import tree
from tests.gcs import GcsServer
from tests.leases import a_lease_that_ran_out_is_taken
from tests.toy import SPECS, toy_recipe


@pytest.fixture(scope="module")
def server():
    server = GcsServer("runs")
    os.environ["STORAGE_EMULATOR_HOST"] = server.address
    yield server
    del os.environ["STORAGE_EMULATOR_HOST"]
    server.shutdown()
    server.server_close()


def _run(url, **more):
    return run(toy_recipe(**more), str(url), SPECS, quiet=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bucket_holds_the_same_bytes_and_every_marker_came_last(server, tmp_path, workers):
    url = f"gs://runs/same-{workers}"
    _run(tmp_path, run__workers=0)
    _run(url, run__workers=workers)
    store = Store(url)
    assert all(hashlib.sha256(store.read(name)).hexdigest() == sha for name, sha in tree(tmp_path).items())
    puts = [name.removeprefix(f"same-{workers}/") for name in server.puts if name.startswith(f"same-{workers}/")]
    files = [n for n in puts if n.endswith((".parquet", ".tar", ".done.json"))]
    assert len(files) == len(set(files))
    for marker in (n for n in files if n.endswith(".done.json")):
        assert files.index(marker.replace(".done.json", ".parquet")) < files.index(marker)
    assert _run(url, run__workers=0).units == 0
    assert not list(verify(Pipeline(toy_recipe(), SPECS), store))


def test_a_listing_of_many_pages_is_whole_and_a_removed_file_is_gone(server):
    store = Store("gs://runs/list")
    for number in range(8):
        store.put(f"folder/{number}", b"x")
    store.remove("folder/3")
    assert store.list("folder") == ["0", "1", "2", "4", "5", "6", "7"] and not store.exists("folder/3")


def test_only_one_may_create_a_lock(server, monkeypatch):
    store = Store("gs://runs/race")
    first, second = (Lease(store, "lock", {"host": "h", "pid": pid}) for pid in (1, 2))
    monkeypatch.setattr(second, "_last", lambda: 0)  # it looked before the first had created its number
    first.take()
    with pytest.raises(UserError, match="process 1 on h is running here"):
        second.take()
    with pytest.raises(UserError, match=r"process 1 on h is running here, heard of \d+ s ago"):
        _run(store.url, run__workers=0)
    assert not store.exists("recipe.yaml")
    first.release()
    assert _run(store.url, run__workers=0).units > 0


def test_a_lease_that_ran_out_is_taken_and_its_holder_stops(server):
    a_lease_that_ran_out_is_taken(Store("gs://runs/taken"))


def test_a_bucket_that_is_not_there_is_a_sentence(server):
    with pytest.raises(UserError, match=r"gs://nowhere/run: cannot write in this run folder \("):
        _run("gs://nowhere/run", run__workers=0)
