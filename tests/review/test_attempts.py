"""Which attempts of the journal changed nothing."""

import pytest

from handrail.core.record import Record, RecordKind, Stored
from handrail.review.attempts import effective


def row(seq, kind, status="", reason="", **body):
    record = Record(kind, "a", "r", "bot", "t", "", status, reason, {"attempt": 0, **body})
    return Stored(seq, "w", seq, seq, record, "", "")


@pytest.mark.parametrize(
    ("status", "reason", "body", "kept"),
    [
        ("success", "", {}, [1, 2]),
        ("failed", "stale", {}, []),
        ("failed", "error", {"cut_off": True}, [1, 2]),
        ("failed", "in_doubt", {}, [1, 2]),
    ],
)
def test_an_attempt_is_left_out_once_it_is_clear_that_it_did_nothing(status, reason, body, kept):
    """What may have happened stays."""
    rows = {1: row(1, RecordKind.ATTEMPT), 2: row(2, RecordKind.OUTCOME, status, reason, **body)}
    assert list(effective(rows)) == kept
