"""Attempts in the journal: which row belongs to which, and which of them changed nothing."""

from __future__ import annotations

from collections.abc import Mapping

from handrail.core.effect import Verb
from handrail.core.outcome import Reason, Status
from handrail.core.record import Record, RecordKind, Stored
from handrail.review.view import objects, text


def attempt_key(record: Record) -> tuple[str, str]:
    """Return what an attempt and its outcome have in common."""
    return record.action, text(record.body.get("attempt"))


_CLEAR = frozenset({Reason.CANCELLED, Reason.ERROR, Reason.PREVIEW, Reason.STALE})


def effective(rows: Mapping[int, Stored]) -> dict[int, Stored]:
    """Return rows by position, without the attempts that certainly changed nothing, and how those ended."""
    kept: dict[int, Stored] = {}
    begun: dict[tuple[str, str], int] = {}
    for seq, row in sorted(rows.items()):
        key = attempt_key(row.record)
        if _did_nothing(row.record):
            if row.record.kind is RecordKind.OUTCOME:
                kept.pop(begun.pop(key, 0), None)
            continue
        if row.record.kind is RecordKind.ATTEMPT:
            begun[key] = seq
        kept[seq] = row
    return kept


def _did_nothing(record: Record) -> bool:
    """Return whether a row says that its attempt certainly changed nothing: it was held, refused, or failed clearly."""
    if record.status in (Status.DENIED, Status.HUMAN_REVIEW_REQUIRED):
        return True
    failed = record.status in (Status.FAILED, Status.RETRY)
    return failed and record.reason in _CLEAR and not record.body.get("cut_off")


def only_reads(row: Stored) -> bool:
    """Return whether an attempt only looked; every query of a table would stand in its chain otherwise."""
    effects = objects(row.record.body.get("effects"))
    return bool(effects) and all(effect.get("verb") == Verb.READ.value for effect in effects)
