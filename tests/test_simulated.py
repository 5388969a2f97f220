"""What the launcher does for a partition does not grow with their number."""

from tests.simulated import calls


def test_the_launchers_work_grows_with_the_partitions_and_no_faster():
    few, many = calls(250), calls(2000)
    assert many < 1.05 * few
