"""`handrail.lock`: what each MCP server's tools said when a person last looked, so that a tool that changes is denied.

The lock stands beside `handrail.yaml`. For every server and tool it keeps a SHA-256 over what the tool says of itself
(title, description, schemas, hints), which is what a model reads and acts on, and as much of the text as is needed to
show a difference later. The digest alone decides; the text is only shown.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from handrail.core.digest import NotJson, digest, to_json
from handrail.core.text import safe
from handrail.errors import ConfigurationError

LOCK_NAME = "handrail.lock"
"""The file's name, in the folder of the policy."""

FORMAT = 1
"""The version of the format."""

LOCK_MAX = 64 * 1024 * 1024
"""Size that a lock may have, in bytes."""

TOOL_MAX = 1024 * 1024
"""Approximate size that one tool's definition may have, in bytes."""

LINES_MAX, LINE_MAX, CHARS_MAX = 400, 2_000, 20_000
"""How much of a tool's text is kept: lines, characters of one, and of all together."""

PINNED = ("title", "description", "annotations", "inputSchema", "outputSchema")
"""What is pinned of a tool. Icons and `_meta` are not: no model reads them, and some servers vary them at will."""

REPIN = "handrail init --repin"
"""The command that shows what changed and takes it over."""

Tool: TypeAlias = Mapping[str, object]
"""A tool as a server lists it: decoded JSON."""

_HASH = re.compile(r"[0-9a-f]{64}")


class NotPinnable(ValueError):  # noqa: N818 (it says what the tool is not)
    """A tool's definition cannot be pinned; the message is a sentence without its subject, safe to print."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What one tool said.

    Attributes:
        hash: SHA-256 over the canonical form of what is pinned, 64 hexadecimal digits.
        says: The same as lines for people, cut where it is long; not safe to print.
    """

    hash: str
    says: tuple[str, ...] = ()


Pins: TypeAlias = Mapping[str, Pin]
"""The pins of one server, by the tool's own name."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between a lock and what a server lists now. Names are in the server's order.

    Attributes:
        new: Tools that are not pinned.
        changed: Tools that say something else than what is pinned.
        gone: Pinned tools that the server does not list any more.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


@dataclass(frozen=True, slots=True)
class Lock:
    """The pins of all servers.

    Attributes:
        servers: Pins by server: the name given with `--server`, `""` without one.
        exists: Whether there is a lock at all; without one nothing is pinned.
    """

    servers: Mapping[str, Pins] = field(default_factory=dict)
    exists: bool = False

    @classmethod
    def load(cls, path: Path) -> Lock:
        """Read a lock. A file that is not there is a lock that does not exist, and pins nothing.

        Args:
            path: The file.

        Raises:
            ConfigurationError: It cannot be read, or is not a lock.
        """
        try:
            with path.open("rb") as stream:
                raw = stream.read(LOCK_MAX + 1)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise ConfigurationError(_broken(path, f"it cannot be read ({error.strerror or error})")) from None
        if len(raw) > LOCK_MAX:
            raise ConfigurationError(_broken(path, f"it is larger than {LOCK_MAX // 2**20} MiB"))
        try:
            return cls(_servers(json.loads(raw.decode(), object_pairs_hook=_unique)), exists=True)
        except RecursionError:
            raise ConfigurationError(_broken(path, "it is nested too deeply")) from None
        except ValueError as error:  # not UTF-8, not JSON, or not of this shape
            raise ConfigurationError(_broken(path, safe(error).rstrip("."))) from None

    def why_not(self, server: str, tool: Tool) -> str:
        """Return why a tool must not be used, `""` when it may.

        Args:
            server: The server's name, `""` without one.
            tool: The tool as the server lists it now.

        Returns:
            One sentence that is safe to print and says what to do; `""` when the tool is as it was pinned, or when
            there is no lock.
        """
        if not self.exists:
            return ""
        name = tool.get("name")
        if not isinstance(name, str):
            return f"A tool of {_called(server)} has no name, so it cannot be pinned and is denied."
        shown = f"Tool '{safe(name)}' of {_called(server)}"
        pins = self.servers.get(server)
        if pins is None:
            return f"{shown} is denied: {LOCK_NAME} has no pins of this server. A person looks and runs: {REPIN}"
        pin = pins.get(name)
        if pin is None:
            return f"{shown} is new since the tools were pinned, so it is denied. A person looks and runs: {REPIN}"
        try:
            found = _hash(tool)
        except NotPinnable as error:
            return f"{shown} {error}, so it is denied. Its server has to be repaired."
        if found != pin.hash:
            return f"{shown} changed since it was pinned, so it is denied. A person looks and runs: {REPIN}"
        return ""

    def changes(self, server: str, now: Pins) -> Changes:
        """Return what differs between this lock and what a server lists now.

        Args:
            server: The server's name, `""` without one.
            now: The pins of the tools that it lists.
        """
        before = self.servers.get(server, {})
        return Changes(
            tuple(name for name in now if name not in before),
            tuple(name for name in now if name in before and now[name].hash != before[name].hash),
            tuple(name for name in before if name not in now),
        )

    def with_pins(self, server: str, pins: Pins) -> Lock:
        """Return this lock with the pins of one server replaced."""
        return Lock(MappingProxyType({**self.servers, server: MappingProxyType(dict(pins))}), exists=True)

    def text(self) -> str:
        """Return the lock as the text of its file: JSON that a version control shows line by line."""
        servers = {
            server: {name: {"hash": pin.hash, "says": list(pin.says)} for name, pin in sorted(pins.items())}
            for server, pins in sorted(self.servers.items())
        }
        return json.dumps({"format": FORMAT, "servers": servers}, indent=1, ensure_ascii=True) + "\n"

    def save(self, path: Path) -> None:
        """Write the lock as a whole: readers see the old one or the new one.

        Args:
            path: The file.

        Raises:
            ConfigurationError: It cannot be written.
        """
        try:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        except OSError as error:
            raise ConfigurationError(_unwritten(path, error)) from None
        try:
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(self.text())
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            Path(name).replace(path)
        except OSError as error:
            with suppress(OSError):
                Path(name).unlink()
            raise ConfigurationError(_unwritten(path, error)) from None


def lock_beside(policy: Path) -> Path:
    """Return where the lock of a policy stands."""
    return policy.parent / LOCK_NAME


def pin_of(tool: Tool) -> Pin:
    """Return the pin of a tool as it is now.

    Args:
        tool: The tool as the server lists it.

    Raises:
        NotPinnable: Its definition is not JSON within the limits.
    """
    return Pin(_hash(tool), _says(tool))


def pins_of(tools: Iterable[Tool]) -> dict[str, Pin]:
    """Return the pins of a server's tools, in its order; each has a name of its own.

    Raises:
        NotPinnable: As `pin_of` does.
    """
    return {str(tool["name"]): pin_of(tool) for tool in tools}


def _hash(tool: Tool) -> str:
    kept = {key: tool[key] for key in PINNED if tool.get(key) is not None}
    try:
        return digest(to_json(kept, bytes_max=TOOL_MAX))
    except NotJson as error:
        raise NotPinnable(f"cannot be pinned ({safe(error).rstrip('.')})") from None


def _says(tool: Tool) -> tuple[str, ...]:
    """Return what a tool says as lines, cut where it is long."""
    lines: list[str] = []
    for key in PINNED:
        value = tool.get(key)
        if value is None:
            continue
        text = value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
        rows = text.split("\n", LINES_MAX)[:LINES_MAX]
        lines += [f"{key}: {rows[0][:LINE_MAX]}"] if len(rows) == 1 else [f"{key}:", *(row[:LINE_MAX] for row in rows)]
    kept, room = [], CHARS_MAX
    for line in lines[:LINES_MAX]:
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    return tuple(kept)


def _servers(value: object) -> Mapping[str, Pins]:
    """Read the decoded file. Raises `ValueError` with a phrase that says what it is not."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError(f"it has no 'format': {FORMAT}, which is the only one that this Handrail reads")
    if set(value) != {"format", "servers"}:
        raise ValueError("it has other keys than 'format' and 'servers'")
    return MappingProxyType(
        {
            server: MappingProxyType({name: _pin(name, pin) for name, pin in _mapping(pins, f"server '{server}'")})
            for server, pins in _mapping(value["servers"], "'servers'")
        }
    )


def _mapping(value: object, what: str) -> Iterable[tuple[str, object]]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not an object")  # noqa: TRY004 (one kind of error: the file is not a lock)
    return value.items()


def _pin(name: str, value: object) -> Pin:
    says = value.get("says") if isinstance(value, dict) else None
    found = value.get("hash") if isinstance(value, dict) else None
    if not isinstance(found, str) or not _HASH.fullmatch(found):
        raise ValueError(f"tool '{name}' has no hash of 64 hexadecimal digits")
    if not isinstance(says, list) or not all(isinstance(line, str) for line in says):
        raise ValueError(f"'says' of tool '{name}' is not a list of texts")
    return Pin(found, tuple(says))


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Refuse an object that names a key twice: two readers could take two different pins."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _called(server: str) -> str:
    return f"server '{safe(server)}'" if server else "the server"


def _broken(path: Path, why: str) -> str:
    return (
        f"{safe(path)} cannot be used, so no tool can be compared with it: {why}. "
        f"Restore it, or remove it and look at every tool again: {REPIN}"
    )


def _unwritten(path: Path, error: OSError) -> str:
    return f"{safe(path)} cannot be written: {error.strerror or error}. Nothing was pinned."
