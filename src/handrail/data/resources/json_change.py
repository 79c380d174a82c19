"""The four changes of a JSON resource, each a value, and what the resource is to be afterwards."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TypeAlias

from handrail.core.digest import Json, canonical
from handrail.data.resources.results import CannotDo


@dataclass(frozen=True, slots=True)
class PutJson:
    """Replace the representation of a resource that exists.

    Attributes:
        id: The resource's path below the base URL.
        body: All of the new representation.
    """

    id: str
    body: Json


@dataclass(frozen=True, slots=True)
class PatchJson:
    """Change members of a resource that exists, by a merge patch (RFC 7396): null removes a member.

    Attributes:
        id: The resource's path below the base URL.
        patch: The members to change.
    """

    id: str
    patch: dict[str, Json]


@dataclass(frozen=True, slots=True)
class CreateJson:
    """Make a resource under an id that is not taken, with PUT.

    Attributes:
        id: The resource's path below the base URL.
        body: Its representation.
    """

    id: str
    body: Json


@dataclass(frozen=True, slots=True)
class DeleteJson:
    """Remove a resource.

    Attributes:
        id: The resource's path below the base URL.
    """

    id: str


JsonChange: TypeAlias = PutJson | PatchJson | CreateJson | DeleteJson


@dataclass(frozen=True, slots=True)
class Present:
    """A representation that exists; its body may be JSON null.

    Attributes:
        body: The representation.
    """

    body: Json


def operation(change: JsonChange) -> str:
    """Return the change's word in receipts."""
    return {PutJson: "put", PatchJson: "patch", CreateJson: "create", DeleteJson: "delete"}[type(change)]


def request(change: JsonChange) -> tuple[str, Json]:
    """Return the method and the body that make the change."""
    match change:
        case PutJson(_, body) | CreateJson(_, body):
            return "PUT", body
        case PatchJson(_, patch):
            return "PATCH", patch
        case DeleteJson():
            return "DELETE", None


def described(change: JsonChange) -> Json:
    """Return the change as JSON that differs whenever the change does."""
    return [operation(change), change.id, request(change)[1]]


def content(change: JsonChange) -> bytes:
    """Return what a change sends, in its canonical form; empty without."""
    return b"" if isinstance(change, DeleteJson) else canonical(request(change)[1])


def named(change: JsonChange) -> dict[str, Json]:
    """Return the change as JSON that differs whenever the change does; what it sends stands as its digest."""
    about: dict[str, Json] = {"operation": operation(change), "ids": [change.id]}
    if not isinstance(change, DeleteJson):
        about["content"] = hashlib.sha256(content(change)).hexdigest()
    return about


def of_named(about: Json, content: bytes) -> JsonChange:
    """Return the change that `named` tells, with what it sends.

    Raises:
        ValueError: It tells none, or the content is another.
    """
    if isinstance(about, dict) and "content" in about and about["content"] != hashlib.sha256(content).hexdigest():
        raise ValueError("The content is not that of the change.")
    match about:
        case {"operation": "put", "ids": [str(id)], "content": str()}:
            return PutJson(id, json.loads(content))
        case {"operation": "patch", "ids": [str(id)], "content": str()}:
            return PatchJson(id, json.loads(content))
        case {"operation": "create", "ids": [str(id)], "content": str()}:
            return CreateJson(id, json.loads(content))
        case {"operation": "delete", "ids": [str(id)]}:
            return DeleteJson(id)
    raise ValueError("This is not a change of a JSON resource.")


def result(change: JsonChange, before: Present | None) -> Present | None:
    """Return what the resource is to be after the change; None for absent.

    Raises:
        CannotDo: The change cannot be made to what is there.
    """
    if isinstance(change, CreateJson):
        if before is not None:
            raise CannotDo("There is a resource under this id already; change it, or choose another id.")
        return Present(change.body)
    if before is None:
        raise CannotDo("There is no resource under this id; look again at what is there.")
    match change:
        case PutJson(_, body):
            return Present(body)
        case PatchJson(_, patch):
            if not isinstance(before.body, dict):
                raise CannotDo("The resource is no JSON object, so its members cannot be patched; replace it whole.")
            return Present(_merged(before.body, patch))
        case DeleteJson():
            return None


def _merged(before: Json, patch: Json) -> Json:
    """Apply a merge patch. Source: RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged
