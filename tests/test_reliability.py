"""What a machine does to a run besides killing it: one sentence, exit code 2, nothing lost, and the next launch mends it."""

import json
import os
import resource
import subprocess
import sys
import time

import pytest

from manifests.errors import UserError
from pipeline.digests import Digests
from pipeline.lock import RunLock
from pipeline.plan import Pipeline
from pipeline.run import run
from pipeline.store import Store
from pipeline.verify import verify
from tests.conftest import tree
from tests.toy import SPECS, toy_recipe


def _run(folder, **more):
    return run(toy_recipe(**{"run__workers": 0, **more}), str(folder), SPECS, quiet=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calm")
    _run(folder)
    return tree(folder)


def _launch(folder, workers, before="", **more):
    """A launch in a process of its own that ends as the command line does."""
    code = (
        "from pipeline.signals import exit_codes\nfrom pipeline.run import run\nfrom tests.toy import SPECS, toy_recipe\nimport os\n"
        f"{before}\nwith exit_codes(): run(toy_recipe(run__workers={workers}), {str(folder)!r}, SPECS, quiet=True)"
    )
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, **more)


def _one_sentence(done, words):
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("skep: ") and done.stderr.count("\n") == 1 and words in done.stderr, done.stderr


@pytest.mark.parametrize("workers", [0, 1])
def test_a_full_disk(tmp_path, expected, workers):
    limit = 60_000  # bytes a file: poses fit, sketches do not

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    _one_sentence(_launch(tmp_path, workers, preexec_fn=small_files), "File too large")
    assert sorted(tmp_path.glob("poses/*.done.json")) and not list(tmp_path.rglob("*.tmp"))
    _run(tmp_path)
    assert tree(tmp_path) == expected


def test_a_folder_that_may_only_be_read(tmp_path):
    tmp_path.chmod(0o555)
    # Root may write anywhere; who is not root may not be allowed to read Python's own library, so all is imported before.
    somebody = "import stages.shards.index; os.getuid() or os.setuid(65534)"
    _one_sentence(_launch(tmp_path / "run", 0, before=somebody), "cannot write in this run folder (Permission denied)")


@pytest.mark.parametrize("table", ["poses/ink-p00000", "sketches/kids-p00001", "select/round-0"])
@pytest.mark.parametrize("harm", ["empty", "cut", "flipped", "gone"])
def test_a_damaged_table(tmp_path, expected, table, harm):
    """Noticed where it is read, and mended by the command that the sentence names."""
    _run(tmp_path)
    path = tmp_path / f"{table}.parquet"
    data = bytearray(path.read_bytes())
    data[60] ^= 1  # in the first column, which every stage reads
    path.write_bytes({"empty": b"", "cut": bytes(data[: len(data) // 2]), "flipped": bytes(data), "gone": b""}[harm])
    if harm == "gone":
        path.unlink()
    following = {"poses": "sketches", "sketches": "select", "select": "shards"}[table.split("/")[0]]
    for marker in sorted((tmp_path / following).glob("*.done.json")):
        marker.unlink()
    if harm != "gone":  # a table that is missing is made again without a word
        with pytest.raises(UserError, match=rf"{table}\.parquet is damaged; `skep verify .* --drop-damaged`"):
            _run(tmp_path)
        problems = list(verify(Pipeline(toy_recipe(), SPECS), Store(str(tmp_path)), drop=True))
        assert f"{table}.parquet differs from its sha256" in problems
    _run(tmp_path)
    assert tree(tmp_path) == expected


def test_a_damaged_table_in_a_worker(tmp_path):
    _run(tmp_path)
    (tmp_path / "poses/ink-p00000.parquet").write_bytes(b"PAR1 no table PAR1")
    (tmp_path / "sketches/ink-p00000.done.json").unlink()
    _one_sentence(_launch(tmp_path, 1), "poses/ink-p00000.parquet is damaged")


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_marker_that_was_cut_short(tmp_path, expected, keep):
    _run(tmp_path)
    marker = tmp_path / "sketches/ink-p00001.done.json"
    marker.write_bytes(marker.read_bytes()[: int(keep * marker.stat().st_size)])
    problems = list(verify(Pipeline(toy_recipe(), SPECS), Store(str(tmp_path))))
    assert problems[0] == "sketches/ink-p00001.done.json is not a whole marker"
    _run(tmp_path)
    assert tree(tmp_path) == expected


def test_a_clock_that_jumps(tmp_path, expected, monkeypatch):
    jumps = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 1e9 + (-1) ** next(jumps) * 1e8)
    monkeypatch.setattr(time, "time_ns", lambda: int(time.time() * 1e9))
    _run(tmp_path)
    assert tree(tmp_path) == expected
    assert _run(tmp_path).units == 0


def test_a_second_launcher(tmp_path):
    with RunLock(Store(str(tmp_path))):
        _one_sentence(_launch(tmp_path, 1), f"process {os.getpid()} on ")
    assert {p.name for p in tmp_path.iterdir()} == {"lock"}


def test_a_launcher_of_another_machine(tmp_path):
    """Whose lock a shared disk may not show."""
    (tmp_path / "lock").write_text(json.dumps({"host": "elsewhere", "pid": 7}))
    _one_sentence(_launch(tmp_path, 1), "process 7 on elsewhere is running here; wait for it, or remove lock if that machine is gone")
    assert {p.name for p in tmp_path.iterdir()} == {"lock"}


def test_files_behind_a_path_are_read_once_until_they_change(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text(name)
        os.utime(folder / name, ns=(1, 1))
    monkeypatch.setattr("pipeline.digests.SETTLED_NS", 0)

    def digest():
        digests = Digests()
        found = digests.of(folder)
        digests.save()
        return found, digests._changed

    first, learnt = digest()
    assert learnt and digest() == (first, False)
    (folder / "b").write_text("B")
    os.utime(folder / "b", ns=(1, 1))  # same size, same mtime: the inode's own time tells
    second, learnt = digest()
    assert learnt and second != first
    (tmp_path / "cache/skep/digests.json").write_text(json.dumps([1]))
    assert digest()[0] == second
    (folder / os.fsdecode(b"caf\xe9")).write_text("a name that is not UTF-8")
    third, learnt = digest()
    assert learnt and digest() == (third, False) and third != second
