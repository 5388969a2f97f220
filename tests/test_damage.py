"""No damage goes unnoticed, no prepared shard gets through; `make damage-test` and `python -m tests.attacks` do it with more."""

import json
import subprocess
import sys
from itertools import count

import numpy as np
import pyarrow as pa

from manifests.schema import PROJECTIONS, REASON, SAMPLE_ID, to_table
from pipeline.commit import DamagedTable, Marker, UnitSink, read_table
from pipeline.store import Store
from tests import attacks
from tests.damage_test import campaign

ATTACKS = 500
NAMED = pa.schema([SAMPLE_ID, PROJECTIONS.field("joints3d"), REASON])


def test_cuts_and_flipped_bits_are_found(tmp_path):
    result = campaign(tmp_path / "dataset", samples=2, count=80)
    assert result["cases"] > 300 and result["found"] == result["cases"]


def test_a_flipped_bit_in_a_table_is_found_or_does_no_harm(tmp_path):
    """Parquet guards its pages with checksums, but not its end, where columns and rows are described."""
    store, rng = Store(str(tmp_path)), np.random.default_rng(0)
    table = to_table(NAMED, {"sample_id": [f"ink-{i:06d}" for i in range(9)], "joints3d": rng.random((9, 16, 3)), "reason": ["bad"] * 9})
    sink = UnitSink(store)
    sink.add_table("t.parquet", table)
    sink.publish(Marker("t", "t", "", {}, "", sink.files(), {}, {}))
    whole, found = (tmp_path / "t.parquet").read_bytes(), 0
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "t.parquet").write_bytes(data)
        try:
            again = read_table(store, "t.parquet", NAMED)
        except DamagedTable:
            found += 1
        else:
            assert again.equals(table, check_metadata=True)
    assert found > len(whole) / 3


def test_prepared_shards_get_no_farther_than_our_exception():
    """In a process of its own that may take 1 GB."""
    done = subprocess.run([sys.executable, "-m", "tests.attacks", str(ATTACKS)], capture_output=True, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["wrong"] == [] and done.returncode == 0
    assert result["cases"] == ATTACKS + len(attacks.crafted())


def test_an_attack_that_takes_too_long_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(attacks, "SECONDS", 0.01)
    monkeypatch.setattr(attacks, "SkepDataset", lambda *_, **__: (sample for sample in count()))
    monkeypatch.setattr(attacks, "_by_number", lambda _: [])
    assert attacks.outcome(tmp_path, b"", True) == "TooLong: more than 0.01 s"
