"""Limits of a query."""

import pytest

from handrail.data.reading import ReadLimits
from handrail.errors import ConfigurationError


def test_usual_limits():
    """1,000 rows and 1 MiB."""
    assert (ReadLimits().rows_max, ReadLimits().bytes_max) == (1_000, 1_048_576)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows_max": 0},
        {"rows_max": 1_000_001},
        {"bytes_max": 1_023},
        {"bytes_max": 2**28 + 1},
        {"time_s": 0},
        {"time_s": float("nan")},
        {"lock_s": 3_601},
    ],
)
def test_no_limit_is_no_limit(wrong):
    """Each has bounds."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        ReadLimits(**wrong)
