"""Texts in arguments that are read: a shell command as `commands`, an SQL text as `statements`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from handrail.core.digest import Json
from handrail.core.tool import EffectError
from handrail.policy import paths
from handrail.policy.document import Node
from handrail.policy.paths import MISSING, Path, PathError
from handrail.policy.problems import Problems
from handrail.policy.shell import commands

Views = Mapping[str, Callable[[Mapping[str, Json]], Json]]

NO_VIEWS: Views = MappingProxyType({})


def views(shell: Node | None, sql: Node | None, problems: Problems) -> Views:
    """Return the views of one tool; problems are noted."""
    found: dict[str, Callable[[Mapping[str, Json]], Json]] = {}
    for name, node, read in (("commands", shell, commands), ("statements", sql, _statements)):
        if node is None:
            continue
        try:
            found[name] = partial(_view, paths.path(str(node.value), ("args",)), read)
        except PathError as error:
            problems.add(node.at, str(error))
    return MappingProxyType(found) if found else NO_VIEWS


def _view(path: Path, read: Callable[[object], list[Json]], args: Mapping[str, Json]) -> Json:
    """Read the text at a path; what is not there, or is no text, is read as something that cannot be told."""
    try:
        value = path.get({"args": dict(args)})
    except EffectError:
        return read(None)
    return read(None if value is MISSING else value)


def _statements(text: object) -> list[Json]:
    from handrail.policy.sqltext import statements  # noqa: PLC0415 (sqlglot is loaded where it is used)

    return statements(text)
