"""Typed reading of a mapping: every key known, every value of its type, everything else a problem with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from handrail.core.names import did_you_mean
from handrail.policy.document import Node
from handrail.policy.problems import Mark, Problems, quoted

Choice = TypeVar("Choice", bound=StrEnum)

_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_SECONDS = (86_400, 3_600, 60, 1)
DURATION_MAX_US = 366 * 86_400 * 1_000_000
"""The longest duration a policy may name: a year, in microseconds."""

SECONDS_MAX = 86_400
"""The longest wait a policy may name, in seconds."""


class Fields:
    """One mapping of the file, read key by key.

    Attributes:
        what: What the mapping is, for messages: `tool 'crm.update_lead'`.
        at: Where it starts.
    """

    def __init__(
        self,
        node: Node,
        what: str,
        known: Iterable[str],
        problems: Problems,
        *,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        """Check that the node is a mapping and its keys are known.

        Args:
            node: The mapping; nothing counts as an empty one.
            what: What it is, for messages.
            known: The keys it may have.
            problems: Where problems go.
            refused: Keys with a sentence of their own about why they are not accepted.
        """
        self.what, self.at, self._problems = what, node.at, problems
        self._entries: dict[str, Node] = {}
        if isinstance(node.value, dict):
            self._entries = node.value
        elif node.value is not None:
            problems.add(node.at, f"{what} must be a mapping (key: value), and this is {node.kind}.")
        names = sorted(known)
        for key in self._entries:
            if refused and key in refused:
                problems.add(node.keys[key], refused[key])
            elif key not in names:
                hint = did_you_mean(key, names) or f" Known: {', '.join(names)}."
                problems.add(node.keys[key], f"{what} has no key {quoted(key)}.{hint}")
        self._keys = node.keys

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def key_at(self, key: str) -> Mark:
        """Return where a key stands; the mapping's start when it is absent."""
        return self._keys.get(key, self.at)

    def node(self, key: str) -> Node | None:
        """Return a value as it is; None when absent."""
        return self._entries.get(key)

    def text(self, key: str) -> Node | None:
        """Return a text; None when absent or wrong."""
        node = self._entries.get(key)
        if node is None:
            return None
        return node if is_text(node, f"{quoted(key)} of {self.what}", self._problems) else None

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a yes or no."""
        node = self._entries.get(key)
        if node is None:
            return default
        if isinstance(node.value, bool):
            return node.value
        hint = ""
        if isinstance(node.value, str) and node.value.lower() in {"yes", "no", "on", "off"}:
            hint = " YAML 1.2 writes them true and false."
        self._wrong(node, key, "true or false", hint)
        return default

    def whole(self, key: str, *, least: int = 0) -> int | None:
        """Return a whole number; None when absent or wrong."""
        node = self._entries.get(key)
        if node is None:
            return None
        if isinstance(node.value, int) and not isinstance(node.value, bool) and node.value >= least:
            return node.value
        self._wrong(node, key, f"a whole number, {least} or more")
        return None

    def seconds(self, key: str, default: float | None, *, above: bool) -> float | None:
        """Return a number of seconds, at least 0, more than 0 when `above`."""
        node = self._entries.get(key)
        if node is None or (node.value is None and default is None):
            return default
        value = node.value
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = float(value)
            if 0 < seconds <= SECONDS_MAX or (seconds == 0 and not above):
                return seconds
        self._wrong(node, key, "a number of seconds, " + ("more than 0" if above else "0 or more") + ", at most 86,400")
        return default

    def choice(self, key: str, kind: type[Choice], default: Choice) -> Choice:
        """Return one of the words of an enumeration."""
        node = self.text(key)
        if node is None:
            return default
        words = [member.value for member in kind]
        if node.value in words:
            return kind(node.value)
        hint = did_you_mean(str(node.value), words)
        self._wrong(node, key, f"one of {', '.join(words)}", hint)
        return default

    def duration_us(self, key: str, default: int) -> int:
        """Return a duration such as `30m` or `1d12h`, in microseconds, more than 0."""
        node = self._entries.get(key)
        if node is None:
            return default
        found = _DURATION.fullmatch(node.value) if isinstance(node.value, str) and node.value else None
        us = 0
        if found is not None:
            us = 1_000_000 * sum(int(n or 0) * unit for n, unit in zip(found.groups(), _SECONDS, strict=True))
        if 0 < us <= DURATION_MAX_US:
            return us
        self._wrong(node, key, "a duration such as 30m, 24h or 7d, at most a year")
        return default

    def texts(self, key: str, *, one: bool = False) -> tuple[Node, ...] | None:
        """Return a list of texts; None when absent.

        Args:
            key: The key.
            one: Whether a single text stands for a list of one.
        """
        node = self._entries.get(key)
        if node is None:
            return None
        what = f"{quoted(key)} of {self.what}"
        if one and isinstance(node.value, str):
            return (node,) if is_text(node, what, self._problems) else ()
        if not isinstance(node.value, list):
            self._wrong(node, key, "a text or a list of texts" if one else "a list of texts")
            return ()
        return tuple(item for item in node.value if is_text(item, f"Every item of {what}", self._problems))

    def items(self, key: str) -> tuple[Node, ...]:
        """Return the items of a list; empty when absent."""
        node = self._entries.get(key)
        if node is None:
            return ()
        if isinstance(node.value, list):
            return tuple(node.value)
        self._wrong(node, key, "a list")
        return ()

    def entries(self, key: str) -> dict[str, Node]:
        """Return a mapping whose keys are free; empty when absent. A blank key is a problem."""
        node = self._entries.get(key)
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self._wrong(node, key, "a mapping (name: value)")
            return {}
        for name, at in node.keys.items():
            if not name.strip() or name != name.strip():
                self._problems.add(at, f"A name in {quoted(key)} is blank or has blanks around it. Write it without.")
        return node.value

    def where(self, key: str, name: str) -> Mark:
        """Return where a name stands in the mapping at `key`."""
        node = self._entries[key]
        return node.keys.get(name, node.at)

    def _wrong(self, node: Node, key: str, wanted: str, hint: str = "") -> None:
        shown = quoted(node.value) if isinstance(node.value, str | int | float) else node.kind
        self._problems.add(node.at, f"{quoted(key)} of {self.what} must be {wanted}, and this is {shown}.{hint}")


def is_text(node: Node, what: str, problems: Problems) -> bool:
    """Return whether a node is text that is not blank; otherwise note the problem."""
    if isinstance(node.value, str) and node.value.strip():
        return True
    if isinstance(node.value, str):
        problems.add(node.at, f"{what} is blank. Write something, or leave the key out.")
    else:
        hint = " Put it in quotes." if isinstance(node.value, bool | int | float) else ""
        problems.add(node.at, f"{what} must be text, and this is {node.kind}.{hint}")
    return False
