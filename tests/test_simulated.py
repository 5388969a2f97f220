"""What the launcher does and keeps for a partition does not grow with their number."""

from tests.simulated import calls, peak_bytes

UNIT_BYTES = 64  # a record of 32, and the room that a growing array takes ahead


def test_the_launchers_work_grows_with_the_partitions_and_no_faster():
    few, many = calls(250), calls(2000)
    assert many < 1.05 * few


def test_the_launcher_keeps_next_to_nothing_of_a_unit():
    peak_bytes(50)  # what is made once: regular expressions, parsers
    few, many = peak_bytes(500), peak_bytes(2500)
    assert many - few < UNIT_BYTES * 4 * 2000
