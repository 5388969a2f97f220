"""A hundred SIGKILLs: what is resumed equals what was never interrupted, byte for byte. `make kill-test` does it with more."""

import random

from tests import peers
from tests.kill_test import peer
from tests.kills import Campaign

LOCAL, ON_RAY = 80, 20


def test_kills_on_one_machine_change_no_byte(tmp_path):
    tally = Campaign(tmp_path, seed=7).until(LOCAL)
    assert not tally.wrong
    assert {"before-temp", "mid-file", "after-fsync", "before-marker", "mid-marker", "random"} == set(tally.kills)


def test_kills_on_a_cluster_change_no_byte(faults, ray_address):
    tally = Campaign(faults, seed=8, ray=ray_address).until(ON_RAY)
    assert not tally.wrong


def test_the_rules_of_others_do_not_hold(tmp_path):
    """The same kills, so that the campaign is known to hit where it hurts."""
    results = {rule: peer(rule, tmp_path / rule, 24, random.Random(7)) for rule in peers.RULES}
    assert results["skip-if-exists"]["wrong"] > 0
    assert results["json-marker"]["stuck"] > 0
    assert all(counts["seen"] > 0 for counts in results.values())
