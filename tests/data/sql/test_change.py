"""A change as a value."""

import datetime as dt
import json
import uuid
from decimal import Decimal

from handrail.data.sql import Change, Computed, Operation


def test_to_json():
    """What JSON has no form for says what it is."""
    row = (
        1,
        "x",
        None,
        True,
        Decimal("1.50"),
        dt.date(2024, 1, 2),
        dt.datetime(2024, 1, 2, 3, 4),
        uuid.UUID(int=1),
        Computed("a + 1"),
    )
    form = Change(Operation.INSERT, "t", columns=("a",), rows=(row,), keys=((1,),)).to_json()
    assert json.loads(json.dumps(form))["rows"] == [
        [
            1, "x", None, True, {"decimal": "1.50"}, {"date": "2024-01-02"}, {"timestamp": "2024-01-02T03:04:00"},
            {"uuid": "00000000-0000-0000-0000-000000000001"}, {"sql": "a + 1"},
        ]
    ]  # fmt: skip
    assert form["keys"] == [[1]]


def test_the_whole_table():
    """Neither key nor condition."""
    assert Change(Operation.DELETE, "t").whole_table
    assert not Change(Operation.DELETE, "t", keys=((1,),)).whole_table
    assert not Change(Operation.DELETE, "t", predicate="a = 1").whole_table
    assert not Change(Operation.INSERT, "t").whole_table
