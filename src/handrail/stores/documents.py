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
    try:
        document["state"] = TicketState(document["state"])
    except ValueError as error:
        raise StoreError(f"A ticket in the store cannot be read: {error}. Restore a backup.") from None
    return Ticket(**document)


def load_grant(text: str) -> Grant:
    """Return the grant of a document. Raises `StoreError` when it is not one."""
    return Grant(**_document(text, Grant))


def _document(text: str, kind: type[Ticket | Grant]) -> dict[str, Any]:
    name = kind.__name__.lower()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"A {name} in the store cannot be read: {error}. Restore a backup.") from None
    if not isinstance(document, dict) or set(document) != {field.name for field in fields(kind)}:
        raise StoreError(f"A {name} in the store has unknown fields. Restore a backup.")
    for field in fields(kind):
        if not _fits(document[field.name], str(field.type)):
            raise StoreError(f"A {name} in the store has a {field.name} of the wrong kind. Restore a backup.")
    document["rules"] = tuple(document["rules"])
    return document


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "bool": (bool,),
    "tuple[str, ...]": (list,),
    "TicketState": (str,),
}


def _fits(value: object, annotation: str) -> bool:
    """Whether a JSON value can stand for a field; mappings are the rest."""
    kinds = _KINDS.get(annotation, (dict,))
    if isinstance(value, bool) and bool not in kinds:
        return False
    return isinstance(value, kinds) and (kinds != (list,) or all(isinstance(one, str) for one in value))  # type: ignore[attr-defined]
