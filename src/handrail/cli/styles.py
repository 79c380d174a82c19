"""Colours of statuses; nothing is said by colour alone."""

from __future__ import annotations

from handrail.core.record import RecordKind, Stored

STYLES = {
    "success": "green",
    "approved": "green",
    "denied": "red",
    "failed": "red",
    "failed_validation": "red",
    "killed": "bold red",
    "human_review_required": "yellow",
    "retry": "yellow",
}


def style_of(status: str) -> str:
    """Return the style of a status."""
    return STYLES.get(status, "")


def status_of(row: Stored) -> str:
    """Return the status of a row as people read it: an intent without an outcome has `begun`."""
    record = row.record
    if record.kind is RecordKind.ATTEMPT and not record.status:
        return "begun"
    return str(record.status)
