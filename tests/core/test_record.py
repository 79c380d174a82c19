"""The journal's rows."""

from handrail.core.record import Record, RecordKind, Stored


def test_kinds():
    """Five kinds, and the words are part of the stored format."""
    assert [kind.value for kind in RecordKind] == ["attempt", "outcome", "review", "event", "anchor"]


def test_a_record_is_complete_without_details():
    """An event has no action; what is not said is empty, never None."""
    record = Record(RecordKind.EVENT)
    assert tuple(record[1:8]) == ("",) * 7
    assert dict(record.body) == {}


def test_stored_rows_are_not_pruned_unless_said():
    """A row has its body until retention removes it."""
    row = Stored(1, "w", 1, 0, Record(RecordKind.EVENT), "00", "11")
    assert row.pruned is False
