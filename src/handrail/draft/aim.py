"""What a tool acts on: a resource template from the required arguments of its input schema.

Only required arguments count: a path that leads nowhere denies, and a template must not deny what works today.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from handrail.core.effect import Verb
from handrail.draft.verb import LEADING, words_of

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}")
_PATHS = frozenset({"path", "file", "filename", "filepath", "dir", "directory", "folder", "source", "src"})
_FROM = ("source", "src", "from", "source_path", "from_path", "old_path", "sourcePath", "fromPath", "oldPath")
_TO = ("destination", "dest", "dst", "to", "target", "destination_path", "to_path", "new_path", "destinationPath",
       "toPath", "newPath")  # fmt: skip
_RECIPIENTS = ("to", "recipient", "email", "channel", "channel_id", "chat_id", "user_id")
_IDS = frozenset({"id", "key", "number", "name", "slug", "uuid", "handle", "ref"})
_THINGS = frozenset({"table", "bucket", "branch", "issue", "ticket", "repository", "project", "collection", "topic"})
_AMOUNTS = ("amount_cents", "cents", "amount")


class Aim(NamedTuple):
    """What a call acts on, as the policy writes it.

    Attributes:
        resource: The template of its id, None when nothing tells.
        to: The template of where a copy or a move goes.
        amount: The path of an amount.
    """

    resource: str | None = None
    to: str | None = None
    amount: str | None = None


def aim(tool: Mapping[str, object], verb: Verb) -> Aim:
    """Return what a tool acts on.

    Args:
        tool: The tool as its server lists it.
        verb: What it is taken to do.
    """
    types = _required(tool.get("inputSchema"))
    amount = None
    if verb is Verb.PAY:
        amount = next((f"args.{name}" for name in _AMOUNTS if types.get(name) == "integer"), None)
    if verb in {Verb.COPY, Verb.MOVE}:
        source = next((name for name in _FROM if types.get(name) == "string"), None)
        target = next((name for name in _TO if types.get(name) == "string"), None)
        if source is not None and target is not None:
            return Aim(_hole("file", source), _hole("file", target))
    if verb is Verb.SEND:
        to = next((name for name in _RECIPIENTS if name in types), None)
        if to is not None:
            kind = "email" if to == "email" or "email" in words_of(str(tool.get("name"))) else "recipient"
            return Aim(_hole(kind, to))
    return Aim(_resource(tool, types), None, amount)


def _resource(tool: Mapping[str, object], types: Mapping[str, str]) -> str | None:
    for name, kind in types.items():
        words = words_of(name)
        if kind == "string" and words and words[-1] in {"uri", "url"}:
            return f"{{args.{name}}}" if words[-1] == "uri" else _hole("url", name)
    for name, kind in types.items():
        words = words_of(name)
        if kind == "string" and words and words[-1] in _PATHS:
            return _hole("file", name)
    return _by_id(words_of(str(tool.get("name"))), types)


def _by_id(words: Sequence[str], types: Mapping[str, str]) -> str | None:
    """Return the template of an id; within owner and repository where a number alone names nothing."""
    whose = "/".join(f"{{args.{name}}}" for name in ("owner", "repo") if name in types)
    for name in types:
        parts = words_of(name)
        if not parts or parts[-1] not in _IDS or name in {"owner", "repo"}:
            continue
        kind = "-".join(parts[:-1]) or _noun(words)
        return f"{kind}/{whose}/{{args.{name}}}" if whose else _hole(kind, name)
    if whose:
        return f"repo/{whose}"
    return next((_hole(name, name) for name in types if name in _THINGS), None)


def _noun(words: Sequence[str]) -> str:
    """Return what a tool is about: the last word of its name that is no verb."""
    return next((word for word in reversed(words) if word not in LEADING and word not in _IDS), "item")


def _hole(kind: str, name: str) -> str:
    return f"{kind}/{{args.{name}}}"


def _required(schema: object) -> dict[str, str]:
    """Return the required arguments that can be part of an id, with their types, in the schema's order."""
    if not isinstance(schema, dict):
        return {}
    required, properties = schema.get("required"), schema.get("properties")
    if not isinstance(required, list) or not isinstance(properties, dict):
        return {}
    needed = {name for name in required if isinstance(name, str)}
    return {
        name: value["type"]
        for name, value in properties.items()
        if name in needed and isinstance(value, dict) and value.get("type") in ("string", "integer")
        and _KEY.fullmatch(name)
    }  # fmt: skip
