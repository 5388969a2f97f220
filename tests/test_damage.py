"""No damage goes unnoticed, no prepared shard gets through; `make damage-test` and `python -m tests.attacks` do it with more."""

import json
import subprocess
import sys

from tests import attacks
from tests.damage_test import campaign

ATTACKS = 500


def test_cuts_and_flipped_bits_are_found(tmp_path):
    result = campaign(tmp_path / "dataset", samples=2, count=80)
    assert result["cases"] > 300 and result["found"] == result["cases"]


def test_prepared_shards_get_no_farther_than_our_exception():
    """In a process of its own that may take 1 GB."""
    done = subprocess.run([sys.executable, "-m", "tests.attacks", str(ATTACKS)], capture_output=True, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["wrong"] == [] and done.returncode == 0
    assert result["cases"] == ATTACKS + len(attacks.crafted())
