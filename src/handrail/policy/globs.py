"""Names and patterns of names: `payments.*` in `for`, `agents` and `redact`."""

from __future__ import annotations

import re
from collections.abc import Collection

from handrail.core.names import did_you_mean
from handrail.policy.document import Node
from handrail.policy.guarded import NAME, Act
from handrail.policy.problems import Problems, quoted


def is_glob(text: str) -> bool:
    """Return whether a text is a pattern: `*` stands for any characters, `?` for one."""
    return "*" in text or "?" in text


def matching(text: str, names: Collection[str]) -> frozenset[str]:
    """Return the names that a name or pattern means."""
    if not is_glob(text):
        return frozenset({text}) if text in names else frozenset()
    pattern = re.compile("".join(_PARTS.get(char, re.escape(char)) for char in text), re.DOTALL)
    return frozenset(name for name in names if pattern.fullmatch(name))


def _elsewhere(text: str) -> str:
    """Return what to do about the tool of a place that only a program may declare, `""` for other names."""
    place, _, act = text.rpartition(".")
    if act not in set(Act) or not NAME.fullmatch(place):
        return ""
    return f" Declare {quoted(place)} here; where a program declares it, write {quoted(f'{place}.*')}."


def may_come(text: str) -> bool:
    """Return whether a pattern may mean tools of a place that a program declares."""
    place, _, act = text.rpartition(".")
    return is_glob(text) and bool(NAME.fullmatch(re.sub(r"[*?]", "x", place)) and matching(act, tuple(Act)))


_PARTS = {"*": ".*", "?": "."}


def resolve(nodes: tuple[Node, ...] | None, names: Collection[str], noun: str, problems: Problems) -> frozenset[str]:
    """Return the names that several names and patterns mean; None means all. An unknown name is a problem."""
    if nodes is None:
        return frozenset(names)
    found: frozenset[str] = frozenset()
    for node in nodes:
        text = str(node.value)
        if not is_glob(text) and text not in names:
            hint = did_you_mean(text, sorted(names)) or _elsewhere(text)
            problems.add(node.at, f"There is no {noun} {quoted(text)} in this policy.{hint}")
        found |= matching(text, names)
    return found
