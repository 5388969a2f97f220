"""`make bench-labels` runs, in small, with the loop that it compares with; what it measures is nobody's test."""

import json

import pytest

from tests import bench_labels


def test_both_ways_make_labels(monkeypatch, capsys):
    for name in ("POSES", "PROJECTIONS", "PLAIN", "JOINTS", "RASTERS"):
        monkeypatch.setattr(bench_labels, name, 4)
    bench_labels.main()
    told = capsys.readouterr().out
    result = json.loads(told.splitlines()[-1])
    assert result["poses_per_s"] > 0 and result["projections_per_s"] > 0 and result["rasters_per_s"] > 0
    if "plain loop skipped" in told:
        pytest.skip(told.splitlines()[-2])
    assert result["speedup"] > 0 and result["joints_speedup"] > 0
