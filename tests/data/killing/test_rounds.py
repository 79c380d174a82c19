"""A short run of the soak, so that it does not rot; the long one is `python -m tests.soak.data`."""

import pytest
from tests.data.killing.rounds import play
from tests.data.killing.stops import seeded

KILLS = 8


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_agents_and_writers_are_killed_and_nothing_is_wrong(dialect, tmp_path):
    """Three agents, two writers of raw SQL, eight kills, on PostgreSQL a crash of the server: the judge finds no fault."""
    seed = seeded().randrange(10**6)
    total, faults = play(dialect, tmp_path, seed, KILLS, stops=(4,) if dialect == "postgres" else ())
    print(dict(total))
    assert faults == []
    assert total["kills"] >= KILLS
    assert total["effects"] > KILLS
    assert total["stops"] == (dialect == "postgres")
