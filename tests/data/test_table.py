"""Declared limits that make no sense are refused at once."""

import pytest

from handrail.data.table import Table
from handrail.errors import ConfigurationError


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"write": "status"}, "are a set"),
        ({"hide": "password"}, "are a set"),
        ({"rows_max": 0}, "1 or more"),
        ({"rows_free": -1}, "1 or more"),
        ({"inserts_free": -1}, "0 or more"),
        ({"also": {"audit": 0}}, "Leave out"),
        ({"write": {"rev"}, "version": "rev"}, "Take it out"),
    ],
)
def test_limits_that_make_no_sense(options, text):
    """Each says what to do."""
    with pytest.raises(ConfigurationError, match=text):
        Table(**options)


def test_nothing_is_allowed_by_default():
    """Fail closed."""
    table = Table()
    assert (set(table.write), table.insert, table.delete, table.rows_free) == (set(), False, False, 0)
