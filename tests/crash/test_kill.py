"""kill -9 of a real process at random moments: nothing twice, nothing without an intent, and the journal verifies."""

from collections import Counter

from tests.crash.killing import check, kill_once

KILLS = 20


def test_kill_at_random_moments(tmp_path):
    """After each of 20 kills: every effect once and with an intent, doubt shown, idempotent tools repeated by their key."""
    total = Counter()
    for seed in range(KILLS):
        store, effects = tmp_path / f"{seed}.db", tmp_path / f"{seed}.txt"
        kill_once(store, effects, seed)
        total.update(check(store, effects))
    assert total["effects"] > KILLS
    print(dict(total))
