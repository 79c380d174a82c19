"""What the server offers: its tools with their schemas and defaults, as the server itself lists them.

A tool is denied unless the list has it, its definition is as it was pinned, and its arguments keep its input schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from handrail.contracts.schema import Check, SchemaError, schema_checker
from handrail.core.digest import Json
from handrail.core.names import did_you_mean
from handrail.core.outcome import Violation
from handrail.core.text import safe
from handrail.mcp.lock import Lock
from handrail.mcp.message import Object, has_nul, spelled_alike

TOOLS_MAX = 10_000
"""Tools that are remembered of one server."""


class Offered:
    """One tool as the server lists it now.

    Args:
        definition: Its entry in the list.
        denied: Why its pin forbids it, `""` when it does not.
    """

    def __init__(self, definition: Object, denied: str) -> None:
        self.definition = definition
        self.denied = denied
        name = definition.get("name")
        self.name = name if isinstance(name, str) else ""

    @cached_property
    def defaults(self) -> Object:
        """What the input schema says of arguments that are absent.

        A default of null that the schema itself does not allow stands for "nothing" and is left out.
        """
        found: Object = {}
        for name, part in self._properties.items():
            if isinstance(part, dict) and "default" in part:
                default = part["default"]
                if default is not None or _allows_null(part):
                    found[name] = default
        return found

    def check_arguments(self, args: Object) -> tuple[Violation, ...]:
        """Return what arguments break: the input schema, or that they can be read in one way only."""
        if has_nul(dict(args)):
            return (Violation("inputSchema", "", "A text holds U+0000, where some programs end a text. Remove it."),)
        if why := spelled_alike(dict(args)):
            return (Violation("inputSchema", "", why),)
        for key in args:
            if key not in self._properties and (known := self._folded.get(key.casefold())) is not None:
                why = f"is spelled '{safe(known)}': some servers ignore case and rules do not."
                return (Violation("inputSchema", safe(key), why),)
        return self._input(dict(args), "inputSchema")

    def check_result(self, result: Object) -> tuple[Violation, ...]:
        """Return how a result breaks the output schema; empty when none is declared."""
        if "outputSchema" not in self.definition:
            return ()
        if "structuredContent" not in result:
            why = "The tool declares an outputSchema, and its result has no structuredContent."
            return (Violation("outputSchema", "", why),)
        return self._output(result["structuredContent"], "outputSchema")

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {name.casefold(): name for name in self._properties}

    @cached_property
    def _properties(self) -> Object:
        schema = self.definition.get("inputSchema")
        found = schema.get("properties") if isinstance(schema, dict) else None
        return found if isinstance(found, dict) else {}

    @cached_property
    def _input(self) -> Check:
        return _checker(self.definition.get("inputSchema"), f"inputSchema of '{safe(self.name)}'")

    @cached_property
    def _output(self) -> Check:
        return _checker(self.definition.get("outputSchema"), f"outputSchema of '{safe(self.name)}'")


def _allows_null(part: Object) -> bool:
    return not _checker(part, "default")(None, "")


def _checker(schema: Json, where: str) -> Check:
    """Return the schema's check; a schema that cannot be used lets nothing through."""
    try:
        return schema_checker(schema, where)
    except SchemaError as error:
        why = f"The server's own schema cannot be used, so nothing passes it. {safe(error, max_chars=400)}"

        def refuse(_value: Json, name: str) -> tuple[Violation, ...]:
            return (Violation(name, "", why),)

        return refuse


@dataclass(slots=True)
class Catalogue:
    """The tools of one server.

    Attributes:
        server: Its name in policy and lock, `""` without one.
        lock: What its tools are compared with.
        complete: Whether the whole list was read since it last changed.
        changes: How often the server said that its list changed.
        trouble: Why the list could not be read, `""` when it could.
    """

    server: str = ""
    lock: Lock = field(default_factory=Lock)
    complete: bool = False
    changes: int = 0
    trouble: str = ""
    _tools: dict[str, Offered] = field(default_factory=dict)

    def learn(self, definition: Json) -> Offered | None:
        """Take a tool as it is listed now; None for what is no tool."""
        if not isinstance(definition, dict):
            return None
        name = definition.get("name")
        if not isinstance(name, str) or not name:
            return None
        known = self._tools.get(name)
        if known is None or known.definition != definition:
            known = Offered(definition, self.lock.why_not(self.server, definition))
            if name in self._tools or len(self._tools) < TOOLS_MAX:
                self._tools[name] = known
        return known

    def forget(self) -> None:
        """The list changed: ask again before the next call."""
        self._tools = {}
        self.complete = False
        self.changes += 1

    def compare_with(self, lock: Lock) -> None:
        """Compare with another lock from now on."""
        self.lock = lock
        self._tools = {
            name: Offered(offered.definition, lock.why_not(self.server, offered.definition))
            for name, offered in self._tools.items()
        }

    def find(self, name: str) -> Offered | None:
        """Return a tool, None when the server does not list it."""
        return self._tools.get(name)

    def why_not(self, name: str) -> str:
        """Return why a tool must not be called, `""` when it may: a sentence, safe to print."""
        found = self._tools.get(name)
        if found is not None:
            return found.denied
        if not self.complete:
            return self.trouble or "The server's tools changed while this was decided. Make the call again."
        return f"The server does not list a tool '{safe(name)}'.{did_you_mean(name, sorted(self._tools))}"

    def shown(self, tools: list[Json], declared: Callable[[str], bool]) -> list[Json]:
        """Return those of a page that may be called: declared, and as they were pinned."""
        kept: list[Json] = []
        for definition in tools:
            offered = self.learn(definition)
            if offered is not None and not offered.denied and declared(offered.name):
                kept.append(definition)
        return kept
