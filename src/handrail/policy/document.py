"""YAML text to a tree of nodes that know where they stand.

YAML 1.2 (so `no` and `on` are text), composed by ruamel.yaml; scalars, duplicate keys, aliases and limits are settled
here. Nothing is constructed: a tag cannot run code. Aliases may repeat a value; merge keys (`<<`) are YAML 1.1 and
refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from handrail.core.digest import INT_MAX, INT_MIN, Json
from handrail.policy.problems import Mark, Problems, quoted

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node as Composed

FILE_MAX = 1024 * 1024
"""Size that a policy file may have, in bytes."""

NODES_MAX = 100_000
"""Values that a policy may have once aliases are followed."""

DEPTH_MAX = 32
"""Nesting that a policy may have."""

Scalar: TypeAlias = "bool | int | float | str | None"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One value.

    Attributes:
        at: Where it starts.
        value: A scalar, a list of nodes, or a mapping of names to nodes.
        keys: Where each key of a mapping starts.
        inner: Column of the first character of a one-line text, None where offsets in the text tell no column.
    """

    at: Mark
    value: Scalar | list[Node] | dict[str, Node]
    keys: dict[str, Mark]
    inner: int | None = None

    @property
    def kind(self) -> str:
        """What it is, in words for messages."""
        value = self.value
        if value is None:
            return "nothing"
        if isinstance(value, bool):
            return "a yes or no (true, false)"
        if isinstance(value, int | float):
            return "a number"
        if isinstance(value, str):
            return "text"
        return "a list" if isinstance(value, list) else "a mapping"

    def mark(self, offset: int) -> Mark:
        """Return the place of a character of this text."""
        return self.at if self.inner is None else Mark(self.at.line, self.inner + offset)

    def plain(self) -> Json:
        """Return the value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def parse(text: str, problems: Problems) -> Node | None:
    """Return the tree of one YAML document; None after noting why there is none."""
    if len(text.encode(errors="replace")) > FILE_MAX:
        problems.add(Mark(1, 1), "The file is larger than 1 MiB. A policy is a page an operator can read; split it up.")
        return None
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if line.startswith("%"):
            problems.add(Mark(number, 1), "YAML directives (lines that start with %) are not accepted. Remove them.")
            return None
    composed = _compose(text, problems)
    return None if composed is None else _Reader(problems).read(composed, 0)


def _compose(text: str, problems: Problems) -> Composed | None:
    from ruamel.yaml import YAML  # noqa: PLC0415 (20 ms to import)
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    try:
        root: Composed | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Mark(1, 1) if mark is None else Mark(mark.line + 1, mark.column + 1)
        problems.add(at, _explained(error, text, at))
        return None
    except RecursionError:
        problems.add(Mark(1, 1), f"The file is nested deeper than {DEPTH_MAX} levels.")
        return None
    except (YAMLError, ValueError) as error:
        position = getattr(error, "position", None)
        at = _at(text, position) if isinstance(position, int) else Mark(1, 1)
        reason = getattr(error, "reason", None) or str(error)
        problems.add(at, f"This is not YAML: {quoted(reason)[1:-1]}.")
        return None
    if root is None:
        problems.add(Mark(1, 1), "The file is empty, so nothing is allowed. Start it with 'version: 1'.")
    return root


def _at(text: str, position: int) -> Mark:
    before = text[:position]
    return Mark(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _explained(error: object, text: str, at: Mark) -> str:
    what = str(getattr(error, "problem", None) or error)
    lines = text.splitlines()
    line = lines[at.line - 1] if 0 < at.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in what:
        return "A tab stands where YAML allows only spaces. Indent with spaces."
    if "expected a single document" in str(getattr(error, "context", "")):
        return "The file holds more than one document ('---' or '...'). Keep one."
    hint = ""
    if "mapping values are not allowed" in what:
        hint = " Put a text that contains ': ' in quotes."
    elif "found undefined alias" in what:
        hint = " Define it with & first, or put a text that starts with * in quotes."
    elif "cannot start any token" in what:
        hint = " Put the text in quotes."
    return f"This is not YAML: {quoted(what)[1:-1].rstrip('.')}.{hint}"


_REFUSED = "The tag {} is not accepted here. Remove it."
_NULL = "tag:yaml.org,2002:null"
_TEXT = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "timestamp", "value", "merge"))


class _Reader:
    """Turns composed nodes into ours, following aliases, within the limits."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._nodes = 0
        self._open: set[int] = set()

    def read(self, composed: Composed, depth: int) -> Node:
        at = Mark(composed.start_mark.line + 1, composed.start_mark.column + 1)
        self._nodes += 1
        if self._nodes == NODES_MAX:
            message = f"With its aliases, the file has more than {NODES_MAX:,} values. Use fewer aliases."
            self._problems.add(Mark(1, 1), message)
        if self._nodes >= NODES_MAX:
            return Node(at, None, {})
        if depth > DEPTH_MAX:
            self._problems.add(at, f"This is nested deeper than {DEPTH_MAX} levels.")
            return Node(at, None, {})
        if id(composed) in self._open:
            self._problems.add(at, "This alias contains itself. Write the value out.")
            return Node(at, None, {})
        self._open.add(id(composed))
        try:
            return self._node(composed, at, depth)
        finally:
            self._open.discard(id(composed))

    def _node(self, composed: Composed, at: Mark, depth: int) -> Node:
        from ruamel.yaml.nodes import MappingNode, SequenceNode  # noqa: PLC0415

        if isinstance(composed, MappingNode):
            self._untagged(composed, at, "map")
            return self._mapping(composed, at, depth)
        if isinstance(composed, SequenceNode):
            self._untagged(composed, at, "seq")
            return Node(at, [self.read(item, depth + 1) for item in composed.value], {})
        return self._scalar(composed, at)

    def _untagged(self, composed: Composed, at: Mark, kind: str) -> None:
        """Refuse a tag that makes something else of a list or a mapping than what it is."""
        tag = str(composed.tag)
        if tag != f"tag:yaml.org,2002:{kind}":
            self._problems.add(at, _REFUSED.format(quoted(tag)))

    def _mapping(self, composed: Composed, at: Mark, depth: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        for composed_key, composed_value in composed.value:
            key = self.read(composed_key, depth + 1)
            value = self.read(composed_value, depth + 1)
            name = key.value
            if composed_key.tag == "tag:yaml.org,2002:merge":
                self._problems.add(key.at, "Merge keys ('<<') are not part of YAML 1.2. Repeat the keys.")
            elif not isinstance(name, str):
                self._problems.add(key.at, f"A key has to be text, and this is {key.kind}. Put it in quotes.")
            elif name in entries:
                first = keys[name]
                self._problems.add(key.at, f"{quoted(name)} stands here twice; the first is in line {first.line}.")
            else:
                entries[name] = value
                keys[name] = key.at
        return Node(at, entries, keys)

    def _scalar(self, composed: Composed, at: Mark) -> Node:
        tag, text = str(composed.tag), str(composed.value)
        if tag in _TEXT:
            return Node(at, text, {}, _inner(composed, at, text))
        value: Scalar = None
        if tag == "tag:yaml.org,2002:bool" and text.lower() in {"true", "false"}:
            value = text.lower() == "true"
        elif tag == "tag:yaml.org,2002:int":
            value = self._integer(text, at)
        elif tag == "tag:yaml.org,2002:float":
            value = self._float(text, at)
        elif tag != _NULL:
            self._problems.add(at, _REFUSED.format(quoted(tag)))
        return Node(at, value, {})

    def _integer(self, text: str, at: Mark) -> int:
        digits = text.replace("_", "")
        try:
            value = int(digits, 10) if digits.lstrip("+-").isdigit() else int(digits, 0)
        except ValueError:
            self._problems.add(at, f"{quoted(text)} is not a number.")
            return 0
        if not INT_MIN <= value <= INT_MAX:
            self._problems.add(at, "This integer is beyond 64 bits.")
            return 0
        return value

    def _float(self, text: str, at: Mark) -> float:
        try:
            value = float(text.replace("_", "").replace(".inf", "inf").replace(".Inf", "inf").replace(".NaN", "nan"))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self._problems.add(at, f"{quoted(text)} is not a number that can be used here.")
            return 0.0
        return value


def _inner(composed: Composed, at: Mark, text: str) -> int | None:
    """Return the column of the text's first character, when offsets in the text are offsets in the line."""
    style = getattr(composed, "style", None)
    if composed.end_mark.line != composed.start_mark.line or style in {"|", ">"}:
        return None
    quotes = 1 if style in {'"', "'"} else 0
    written = composed.end_mark.column - composed.start_mark.column - 2 * quotes
    return at.column + quotes if written == len(text) else None
