"""The JSON forms that `--json` prints: stable keys, times in RFC 3339, `null` for what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handrail.cli.output import rfc3339
from handrail.core.digest import Json
from handrail.core.record import Stored
from handrail.core.ticket import Grant, Ticket

if TYPE_CHECKING:
    from handrail.review.planned import PlannedChange, ResourcePicture, Side
    from handrail.review.replay import Chain, Past, Replay, Step


def ticket_form(ticket: Ticket, state: str) -> dict[str, Json]:
    """Return a ticket; `state` counts time that is over."""
    return {
        "ticket": ticket.id,
        "state": str(state),
        "agent": ticket.agent,
        "owner": ticket.owner,
        "four_eyes": ticket.four_eyes,
        "tool": ticket.tool,
        "run": ticket.run,
        "resource": ticket.view.get("resource"),
        "rules": list(ticket.rules),
        "digest": ticket.digest,
        "asked_at": rfc3339(ticket.asked_us),
        "pending_until": rfc3339(ticket.pending_until_us),
        "decided_at": rfc3339(ticket.decided_us),
        "valid_until": rfc3339(ticket.valid_until_us),
        "by": ticket.by or None,
        "note": ticket.note or None,
        "action": ticket.action or None,
    }


def grant_form(grant: Grant, *, live: bool) -> dict[str, Json]:
    """Return a grant."""
    return {
        "grant": grant.id,
        "live": live,
        "agent": grant.agent,
        "tool": grant.tool,
        "rules": list(grant.rules),
        "pattern": pattern_of(grant),
        "uses": grant.uses,
        "uses_max": grant.uses_max,
        "until": rfc3339(grant.until_us),
        "by": grant.by,
        "revoked": grant.revoked,
    }


def pattern_of(grant: Grant) -> dict[str, Json]:
    """Return the globs by dotted path, without the mark of what kind of value it is."""
    return {path.removesuffix("#"): glob for path, glob in grant.pattern.items()}


def record_form(row: Stored) -> dict[str, Json]:
    """Return a journal row."""
    record = row.record
    return {
        "seq": row.seq,
        "at": rfc3339(row.at_us),
        "kind": record.kind.value,
        "action": record.action or None,
        "run": record.run or None,
        "agent": record.agent or None,
        "tool": record.tool or None,
        "resource": record.resource or None,
        "status": str(record.status) or None,
        "reason": str(record.reason) or None,
        "body": None if row.pruned else dict(record.body),
        "pruned": row.pruned,
        "writer": row.writer,
        "number": row.number,
        "payload": row.payload,
        "hash": row.hash,
    }


def replay_form(told: Replay) -> dict[str, Json]:
    """Return what a reviewer is shown, in the same order; the agent's own words stand last."""
    change = told.change
    return {
        **ticket_form(told.ticket, told.state),
        "sentence": told.sentence,
        "genuine": told.genuine,
        "planned": None if told.planned is None else planned_form(told.planned),
        "tripped": [
            {"gate": t.gate, "rule": t.rule, "why": t.why, "values": dict(t.values)} for t in told.tripped
        ],
        "change": {
            "compared": change.compared,
            "fields": [
                {"path": f.path, "before": f.before, "after": f.after, "changed": f.changed, "null": f.null}
                for f in change.fields
            ],
            "hidden": change.hidden,
            "untouched": change.untouched,
        },
        "undo": told.undo,
        "chains": [_chain(chain) for chain in told.chains],
        "resources_hidden": told.resources_hidden,
        "past": [_past(past) for past in told.past],
        "standings": [{"name": s.name, "may": s.may, "why": s.why or None} for s in told.standings],
        "untrusted_words": [{"where": w.where, "text": w.text} for w in told.words],
        "untrusted_words_hidden": told.words_hidden,
    }  # fmt: skip


def planned_form(change: PlannedChange) -> dict[str, Json]:
    """Return a planned change of guarded data; values as the database has them."""
    return {
        "change": change.change,
        "by": change.by or None,
        "undoes": change.undoes or None,
        "rows": change.rows,
        "touches": [touch.to_json() for touch in change.touches],
        "columns": list(change.columns),
        "breakdown": [
            {"column": b.column, "values": [{"value": v, "rows": n} for v, n in b.values], "others": b.others}
            for b in change.breakdown
        ],
        "samples": [
            {
                "table": row.table or None,
                "key": list(row.key),
                "before": None if row.before is None else dict(row.before),
                "after": None if row.after is None else dict(row.after),
                "differs": list(row.columns) if row.before is not None and row.after is not None else None,
            }
            for row in change.samples
        ],
        "resources": [_resource(one) for one in change.resources],
        "resources_hidden": change.resources_hidden,
        "warnings": list(change.warnings),
        "expires_at": None if change.expires_us is None else rfc3339(change.expires_us),
        "undo_with": change.undo,
    }


def _resource(one: ResourcePicture) -> dict[str, Json]:
    return {
        "id": one.id,
        "version": one.version or None,
        "before": _side(one.before),
        "after": _side(one.after),
        "diff": one.diff or None,
        "members": [{"path": m.path, "before": m.before, "after": m.after} for m in one.members],
        "hidden": one.hidden,
    }


def _side(side: Side | None) -> dict[str, Json] | None:
    if side is None:
        return None
    return {
        "text": side.text, "json": side.json, "whole": side.whole, "bytes": side.bytes, "sha256": side.sha256 or None
    }  # fmt: skip


def _chain(chain: Chain) -> dict[str, Json]:
    return {
        "kind": chain.kind,
        "name": chain.name,
        "hidden": chain.hidden,
        "more": chain.more,
        "steps": [_step(step) for step in chain.steps],
    }


def _past(past: Past) -> dict[str, Json]:
    return {
        "ticket": past.ticket,
        "approved": past.approved,
        "by": past.by,
        "note": past.note or None,
        "at": rfc3339(past.at_us),
        "resource": past.resource or None,
        "what": past.what or None,
    }


def _step(step: Step) -> dict[str, Json]:
    return {
        "at": rfc3339(step.at_us),
        "run": step.run,
        "agent": step.agent,
        "action": step.action,
        "tool": step.tool,
        "effects": list(step.effects),
        "status": str(step.status),
        "reason": str(step.reason) or None,
        "ticket": step.ticket or None,
        "why": step.why or None,
        "by_handrail": step.by_handrail,
        "asked": step.asked,
    }
