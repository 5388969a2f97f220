"""`make bench-predict` runs; what it measures is nobody's test."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_bench_predict_names_every_part():
    command = [sys.executable, "-m", "tests.bench_predict", "--count", "2", "--rounds", "2", "--threads", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "the bundled weights" in done.stdout
    for kind, own in {"": ["network"], "refined_": ["joints", "network", "fit"], "fit_": ["joints", "fit"]}.items():
        for parts in (found[f"{kind}parts_batch1"], found[f"{kind}parts_batch32"]):
            assert list(parts) == ["scan", "finder", *own, "figures", "all"]
            assert min(parts.values()) >= 0 and all(parts[name] > 0 for name in own)
    assert found["ms_batch1"] == found["parts_batch1"]["all"] and found["fit_ms"] == found["fit_parts_batch1"]["fit"]
    assert found["ms_per_sketch_batch32"] == found["parts_batch32"]["all"]
