"""kill -9 of a real process at random moments: nothing twice, nothing without an intent, and the journal verifies."""

from collections import Counter

import pytest

from tests.crash.conftest import STORES
from tests.crash.killing import check, kill_once

KILLS = 20


@pytest.mark.parametrize("kind", STORES)
def test_kill_at_random_moments(tmp_path, kind):
    """After each of 20 kills: every effect once and with an intent, doubt shown, idempotent tools repeated by their key."""
    total = Counter()
    for seed in range(KILLS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        url, effects = STORES[kind](folder), folder / "effects.txt"
        kill_once(url, effects, seed)
        total.update(check(url, effects))
    assert total["effects"] > KILLS
    print(dict(total))
