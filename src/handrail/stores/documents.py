"""Tickets and grants as JSON documents, for stores that keep them whole."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from handrail.core.ticket import Grant, Ticket, TicketState
from handrail.errors import StoreError


def dump(value: Ticket | Grant) -> str:
    """Return the document of a ticket or a grant."""
    return json.dumps(asdict(value), ensure_ascii=True, separators=(",", ":"))


def load_ticket(text: str) -> Ticket:
    """Return the ticket of a document. Raises `StoreError` when it is not one."""
    document = _document(text, Ticket)
    document["state"] = TicketState(document["state"])
    document["rules"] = tuple(document["rules"])
    return Ticket(**document)


def load_grant(text: str) -> Grant:
    """Return the grant of a document. Raises `StoreError` when it is not one."""
    document = _document(text, Grant)
    document["rules"] = tuple(document["rules"])
    return Grant(**document)


def _document(text: str, kind: type[Ticket | Grant]) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise StoreError(f"A {kind.__name__.lower()} in the store cannot be read: {error}. Restore a backup.") from None
    names = {field.name for field in fields(kind)}
    if not isinstance(document, dict) or set(document) != names:
        raise StoreError(f"A {kind.__name__.lower()} in the store has unknown fields. Restore a backup.")
    return document
