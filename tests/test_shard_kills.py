"""Shards appear whole or not at all, however often the stage that packs them is killed."""

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize("kills", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_readers_see_whole_shards_or_none(kills):
    done = subprocess.run([sys.executable, "-m", "tests.shard_kills", str(kills)], capture_output=True, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["kills"] == kills and result["read"] > 0, done.stderr
    assert result["torn"] == result["wrong"] == 0
