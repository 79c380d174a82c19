"""What an agent wants, as one sentence of ours.

It is made from the plan alone: names and numbers of effects, and of a change of guarded data what Handrail itself says
of it. None of the agent's own words stand in it, and a name that could pass for part of it stands in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

from handrail.core.change import KIND, Touch, touches_of
from handrail.core.digest import Json
from handrail.core.effect import PLACEHOLDER, Verb
from handrail.core.policy import Policy
from handrail.core.text import safe
from handrail.core.ticket import Ticket
from handrail.core.tool import EffectError
from handrail.review.view import listed, mapping, objects, text

EFFECTS_MAX = 5
"""Effects that the sentence names; the others are counted."""

KEYS_MAX = 3
"""Rows that the sentence names by key."""

CHANGE_CHARS = 12
"""Characters of a digest that stand for it in a sentence."""

_PLAIN = re.compile(r"[\w./:@{}?+=#%&~-]+")
_DO = {Verb.CREATE: "add", Verb.UPDATE: "update", Verb.DELETE: "delete"}


def sentence(ticket: Ticket, policy: Policy | None = None) -> str:
    """Return what the agent wants; safe to print.

    Args:
        ticket: The ticket.
        policy: Tells whether the tool is one of Handrail's own for guarded data: of others the agent writes the
            arguments. Without it none is.
    """
    return f"{named(ticket.agent)} wants to {wish(ticket, policy)}."


def wish(ticket: Ticket, policy: Policy | None = None) -> str:
    """Return what the agent wants to do: the sentence from its verb on, without the full stop."""
    touches = touched(ticket, policy)
    if touches:
        return _changing(ticket, touches)
    effects = objects(ticket.view.get("effects"))
    wants = _few([_wish(effect) for effect in effects[:EFFECTS_MAX]], len(effects))
    what = " and ".join(wants) if wants else "do something that its declaration does not tell"
    return f"{what} with {named(ticket.tool)}"


def touched(ticket: Ticket, policy: Policy | None) -> tuple[Touch, ...]:
    """Return what a planned change of guarded data touches; nothing for a ticket about anything else.

    Only tools that the policy makes from its declared data have arguments that no agent writes.
    """
    tool = None if policy is None else policy.tool(ticket.tool)
    args = mapping(ticket.view.get("args"))
    if tool is None or tool.asks is None or not isinstance(args.get("change"), str):
        return ()
    try:
        return tuple(touch for touch in touches_of(args) if touch.verb is not Verb.READ)
    except EffectError:
        return ()


def rows_in(touch: Touch, *, add: bool = False) -> str:
    """Return rows and their table as words: `3,412 rows of lead in shop`.

    Args:
        touch: What is touched.
        add: Whether the rows are added to the table.
    """
    if not is_rows(touch):
        return named(touch.place) + (f" to {named(touch.to)}" if touch.to is not None else "")
    rows = f"{touch.rows:,} {'row' if touch.rows == 1 else 'rows'}"
    if touch.keys and len(touch.keys) <= KEYS_MAX and not add:
        rows = f"{'row' if len(touch.keys) == 1 else 'rows'} {_and([_key(key) for key in touch.keys])}"
    return f"{rows} {'to' if add else 'of'} {table_in(touch)}"


def _key(key: str) -> str:
    """Return a key for the sentence; an agent may have chosen it, so that all but numbers stands in quotes."""
    if key.isascii() and key.isdigit():
        return key
    return "'" + safe(unquote(key), max_chars=40).replace("'", "\\'") + "'"


def is_rows(touch: Touch) -> bool:
    """Return whether rows of a table are touched, rather than one resource."""
    return touch.place.startswith(f"{KIND}/")


def table_in(touch: Touch) -> str:
    """Return a table with its database as words: `lead in shop`."""
    database, _, table = touch.place.removeprefix(f"{KIND}/").partition("/")
    return f"{named(unquote(table))} in {named(database)}" if table else named(touch.place)


def named(name: str) -> str:
    """Return a name that is safe to print, in quotes when it could pass for part of a sentence."""
    shown = safe(name, max_chars=120)
    return shown if _PLAIN.fullmatch(shown) else f"'{shown}'"


# --- changes of guarded data ------------------------------------------------------------------------------------------


def _changing(ticket: Ticket, touches: Sequence[Touch]) -> str:
    args = mapping(ticket.view.get("args"))
    own = [touch for touch in touches if not touch.cascade]
    along = [touch for touch in touches if touch.cascade]
    wants = _few([_doing(touch) for touch in own[:EFFECTS_MAX]], len(own))
    if along:
        wants.append(f"{_along(along)} that go along")
    return ", ".join([" and ".join(wants) + _zones(objects(ticket.view.get("effects"))), *_which(args)])


def _doing(touch: Touch) -> str:
    add = touch.verb is Verb.CREATE and is_rows(touch)
    verb = _DO[touch.verb] if is_rows(touch) and touch.verb in _DO else touch.verb.value
    return f"{verb} {rows_in(touch, add=add)}"


def _along(along: Sequence[Touch]) -> str:
    words = [rows_in(touch._replace(keys=())) for touch in along[:EFFECTS_MAX]]
    return _and([*words, f"{len(along) - len(words):,} more tables"] if len(along) > len(words) else words)


def _which(args: Mapping[str, Json]) -> Iterator[str]:
    if args.get("by") == "predicate":
        yield "which a condition named"
    if isinstance(undone := args.get("undoes"), str) and undone:
        yield f"which takes back change {named(undone[:CHANGE_CHARS])}"


def _zones(effects: Sequence[Mapping[str, Json]]) -> str:
    """Return the zones that a change stands in, ` (zone production)`: all of its place have the same."""
    zones: dict[str, None] = {}
    for effect in effects:
        zones |= dict.fromkeys(
            named(text(zone)) for zone in (effect.get("zone"), *listed(effect.get("stands_in"))) if zone
        )
    return f" (zone {', '.join(list(zones)[:EFFECTS_MAX])})" if zones else ""


# --- effects of any tool ----------------------------------------------------------------------------------------------


def _wish(effect: Mapping[str, Json]) -> str:
    resource = text(effect.get("resource"))
    if not resource:
        what = "something that its declaration does not name"
    elif resource.endswith(PLACEHOLDER):
        what = f"a new {named(resource.removesuffix(PLACEHOLDER).rstrip('/') or 'resource')}"
    else:
        what = named(resource)
    said = f"{named(text(effect.get('verb')))} {what}"
    if effect.get("to"):
        said += f" to {named(text(effect['to']))}"
    if effect.get("amount") is not None:
        said += f" (amount {named(text(effect['amount']))})"
    if effect.get("zone"):
        said += f" in zone {named(text(effect['zone']))}"
    also = [named(text(zone)) for zone in listed(effect.get("stands_in"))]
    return f"{said} (what stands in zone {', '.join(also)})" if also else said


def _few(words: list[str], count: int) -> list[str]:
    return [*words, f"do {count - len(words)} more things"] if count > len(words) else words


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
