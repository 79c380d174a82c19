"""What stands in a ticket's view, read so that a damaged or forged one is merely shown badly, never an error."""

from __future__ import annotations

from collections.abc import Mapping

from handrail.core.digest import Json, canonical


def mapping(value: Json) -> Mapping[str, Json]:
    """Return a JSON object; an empty one for whatever is none."""
    return value if isinstance(value, dict) else {}


def listed(value: Json) -> list[Json]:
    """Return a JSON list; an empty one for whatever is none."""
    return value if isinstance(value, list) else []


def objects(value: Json) -> list[dict[str, Json]]:
    """Return the objects in a JSON list; nothing for whatever is none."""
    return [one for one in listed(value) if isinstance(one, dict)]


def text(value: Json) -> str:
    """Return a value as text: a text as it is, nothing for null, canonical JSON for the rest."""
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical(value).decode()


def whole(value: Json) -> int:
    """Return a whole number that counts something; 0 for whatever is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
