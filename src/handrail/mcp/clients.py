"""The configs of MCP clients: which servers they start, and how. They are read, never written."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handrail.core.names import fold
from handrail.core.text import safe
from handrail.mcp.ask import Command
from handrail.mcp.jsonc import plain_json
from handrail.mcp.rewire import unwrapped

CONFIG_MAX = 1024 * 1024
"""Size that a config may have, in bytes."""

_SERVERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Client:
    """A program that starts MCP servers.

    Attributes:
        name: What people call it.
        key: Where its config lists the servers.
        restart: How it takes up a changed config, as a sentence.
        look: How to see that a guarded server is there, as a sentence.
    """

    name: str
    key: str
    restart: str
    look: str


CLAUDE_CODE = Client(
    "Claude Code", "mcpServers", "Start a new session.", "Run 'claude mcp list': each server has to be connected."
)
CURSOR = Client(
    "Cursor", "mcpServers", "Restart Cursor.", "Open Settings, MCP: each server has to be on and list its tools."
)
VSCODE = Client(
    "VS Code", "servers", "Run 'MCP: List Servers' and restart each.", "The same list has to say that each is running."
)
CLAUDE_DESKTOP = Client(
    "Claude Desktop", "mcpServers", "Quit and start it again.", "Open Settings, Developer: each server has to run."
)


class ConfigError(ValueError):
    """A config cannot be used; the message is a sentence, safe to print."""


@dataclass(frozen=True, slots=True)
class Configured:
    """One server in one config.

    Attributes:
        client: Whose config it is.
        file: The config.
        title: The server's name there.
        name: Its name in the policy and in the lock, the one after `--server`; `""` without one.
        words: The program and its arguments as written, without Handrail where it is guarded already.
        written: The same with Handrail.
        command: How it is started, placeholders filled in; None when that cannot be told.
        problem: Why `command` is None, a sentence that is safe to print.
        guarded: Whether Handrail stands in front of it already.
        url: Whether it is reached by a web address.
    """

    client: Client
    file: Path
    title: str
    name: str
    words: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    command: Command | None = None
    problem: str = ""
    guarded: bool = False
    url: bool = False


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """Where a client keeps a config."""

    client: Client
    file: Path


def places(
    folder: Path, environ: Mapping[str, str], home: Path, platform: str = sys.platform
) -> tuple[ConfigFile, ...]:
    """Return where configs may be: three in the project's folder, one in the user's own.

    Args:
        folder: The project's folder.
        environ: The environment.
        home: The user's folder.
        platform: As `sys.platform` names it.
    """
    if platform == "darwin":
        own = home / "Library" / "Application Support"
    elif platform == "win32":
        own = Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
    else:
        own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return (
        ConfigFile(CLAUDE_CODE, folder / ".mcp.json"),
        ConfigFile(CURSOR, folder / ".cursor" / "mcp.json"),
        ConfigFile(VSCODE, folder / ".vscode" / "mcp.json"),
        ConfigFile(CLAUDE_DESKTOP, own / "Claude" / "claude_desktop_config.json"),
    )


def entries(place: ConfigFile, folder: Path, environ: Mapping[str, str], home: Path) -> tuple[Configured, ...]:
    """Return the servers of one config, in its order; none when there is no such file.

    Args:
        place: Whose config it is, and where it stands.
        folder: The project's folder: what `${workspaceFolder}` stands for, and where servers run.
        environ: The environment, for `${NAME}`.
        home: The user's folder.

    Raises:
        ConfigError: The file cannot be read, or is not such a config.
    """
    config = _read(place.file)
    if config is None:
        return ()
    servers = config.get(place.client.key, {})
    if not isinstance(servers, dict):
        raise ConfigError(f"{safe(place.file)} cannot be used: its '{place.client.key}' is not an object.")
    if len(servers) > _SERVERS_MAX:
        raise ConfigError(f"{safe(place.file)} cannot be used: it lists more than {_SERVERS_MAX} servers.")
    fill = _Filler(folder, environ, home)
    return tuple(_entry(place, title, value, fill) for title, value in servers.items())


def named(found: Sequence[Configured]) -> list[Configured]:
    """Return the entries with names that tell different servers apart; the same command in two configs is one server.

    Args:
        found: Entries of all configs, in the order in which names are given. Those that are guarded already come first:
            their names stand in a lock.
    """
    taken: dict[str, Configured] = {}
    out: dict[int, Configured] = {}
    for index in sorted(range(len(found)), key=lambda index: not found[index].guarded):
        entry = found[index]
        name, number = entry.name, 2
        while (other := taken.get(fold(name))) is not None and not _same(other, entry):
            name, number = f"{entry.name or 'server'}-{number}", number + 1
        name = name if other is None else other.name
        out[index] = replace(entry, name=name, guarded=entry.guarded and name == entry.name)
        taken.setdefault(fold(name), out[index])
    return [out[index] for index in range(len(found))]


def _same(one: Configured, other: Configured) -> bool:
    return one.url == other.url and one.words == other.words and one.command == other.command


def server_name(title: str) -> str:
    """Return what a server is called in the policy: letters, digits, `_` and `-`.

    A dot ends the server's name in `SERVER.tool`, so it cannot be part of it.
    """
    return re.sub(r"[^\w-]+", "-", title).strip("-")[:60] or "server"


def _entry(place: ConfigFile, title: str, value: object, fill: _Filler) -> Configured:
    client, file = place.client, place.file
    if not isinstance(value, dict):
        return Configured(client, file, title, server_name(title), problem="Its entry is not an object.")
    if "command" not in value and any(isinstance(value.get(key), str) for key in ("url", "serverUrl")):
        return Configured(client, file, title, server_name(title), url=True)
    try:
        words = _words(value)
    except ConfigError as error:
        return Configured(client, file, title, server_name(title), problem=str(error))
    name, inner = unwrapped(words)
    guarded = inner != words
    known = server_name(title) if name is None else name
    try:
        command: Command | None = fill.command(inner, value)
        problem = ""
    except ConfigError as error:
        command, problem = None, str(error)
    return Configured(client, file, title, known, inner, words, command, problem, guarded)


def _words(value: Mapping[str, object]) -> tuple[str, ...]:
    program, args = value.get("command"), value.get("args", [])
    if not isinstance(program, str) or not program.strip():
        raise ConfigError("Its entry has neither a command nor a web address.")
    if not isinstance(args, list) or not all(isinstance(word, str) for word in args):
        raise ConfigError("Its 'args' are not a list of texts.")
    return (program, *args)


# --- placeholders -----------------------------------------------------------------------------------------------------

_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE = re.compile(r"(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Filler:
    """Fills in what clients fill in before they start a server."""

    folder: Path
    environ: Mapping[str, str]
    home: Path

    def command(self, words: Sequence[str], value: Mapping[str, object]) -> Command:
        """Return how a server is started. Raises `ConfigError`."""
        env, cwd = value.get("env") or {}, value.get("cwd")
        if not isinstance(env, dict) or not all(isinstance(one, str | int | float | None) for one in env.values()):
            raise ConfigError("Its 'env' is not an object of texts.")
        filled = {name: self.fill(str(one)) for name, one in env.items() if one is not None}
        folder = self.folder / self.fill(cwd) if isinstance(cwd, str) and cwd else self.folder
        program, *args = (self.fill(word) for word in words)
        return Command((_program(program, folder), *args), filled, folder)

    def fill(self, text: str) -> str:
        """Return a text without placeholders. Raises `ConfigError`."""
        return _PLACEHOLDER.sub(lambda found: self._value(found[1]), text)

    def _value(self, name: str) -> str:
        known = {
            "workspaceFolder": str(self.folder),
            "workspaceFolderBasename": self.folder.name,
            "workspaceRoot": str(self.folder),
            "CLAUDE_PROJECT_DIR": str(self.folder),
            "userHome": str(self.home),
            "pathSeparator": os.sep,
            "/": os.sep,
        }
        shown = safe(name, max_chars=60)
        if name in known:
            return known[name]
        found = _VARIABLE.fullmatch(name)
        if found is None:
            raise ConfigError(
                f"Only the client can fill in '${{{shown}}}' in its entry. Name the command yourself: "
                "handrail init --server NAME -- COMMAND"
            )
        value = self.environ.get(found[1], found[2])
        if value is None:
            raise ConfigError(f"Its entry needs the environment variable '{shown}', which is not set here. Set it.")
        return value


def _program(program: str, folder: Path) -> str:
    """Return a program with a path relative to the server's folder as the client finds it; a bare name stays."""
    if program.startswith("~/"):
        return str(Path(program).expanduser())
    return str(folder / program) if os.sep in program and not Path(program).is_absolute() else program


# --- the file ---------------------------------------------------------------------------------------------------------


def _read(file: Path) -> dict[str, object] | None:
    try:
        with file.open("rb") as stream:
            raw = stream.read(CONFIG_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{safe(file)} cannot be read: {error.strerror or error}.") from None
    if len(raw) > CONFIG_MAX:
        raise ConfigError(f"{safe(file)} cannot be used: it is larger than 1 MiB.")
    try:
        value = json.loads(plain_json(raw.decode("utf-8-sig")), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        why = safe(error).rstrip(".") if isinstance(error, ValueError) else "it is nested too deeply"
        raise ConfigError(f"{safe(file)} cannot be used: it is not JSON ({why}). Repair it.") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{safe(file)} cannot be used: it is not a JSON object.")
    return value


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Refuse an object that names a key twice: the client may start another server than the one that is looked at."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"'{key}' stands twice in one object")
        found[key] = value
    return found
