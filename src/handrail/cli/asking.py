"""Which MCP servers there are, and what they answer: from a command on the command line, or from clients' configs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from handrail.cli.exits import UsageError
from handrail.cli.output import progress, say
from handrail.core.text import safe

if TYPE_CHECKING:
    from handrail.mcp.ask import Command, Listing
    from handrail.mcp.clients import Configured

AT_ONCE = 6
"""Servers that are asked at the same time."""


@dataclass(frozen=True, slots=True)
class Found:
    """The servers to ask.

    Attributes:
        commands: How each is started, by its name in the policy.
        entries: Where they stand in clients' configs; none for a command on the command line.
        problems: A sentence for each config that cannot be used, and by name for each server that cannot be started.
    """

    commands: Mapping[str, Command]
    entries: Sequence[Configured] = ()
    configs: Sequence[str] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_web(self) -> list[Configured]:
        """The servers that are reached by a web address."""
        return [entry for entry in self.entries if entry.url]

    @property
    def names(self) -> list[str]:
        """The names of the servers that are started, in order, those with a problem too."""
        return list(dict.fromkeys([entry.name for entry in self.entries if not entry.url] or self.commands))

    def title(self, name: str) -> str:
        """Return what people know a server by."""
        return name or next((one.title for one in self.entries if one.name == name), "")

    def origin(self, name: str) -> str:
        """Return where a server was found, with its name."""
        clients = ", ".join(dict.fromkeys(one.client.name for one in self.entries if one.name == name))
        words = self.commands[name].words[:1] if name in self.commands else ()
        return f"{self.title(name) or ' '.join(words)}{f' ({clients})' if clients else ''}"


@dataclass(frozen=True, slots=True)
class Answers:
    """What the servers said.

    Attributes:
        listings: What each that answered offers, by its name in the policy.
        problems: A sentence for each that did not, safe to print.
    """

    listings: Mapping[str, Listing]
    problems: Mapping[str, str]


def find_servers(words: Sequence[str], server: str | None, folder: Path) -> Found:
    """Return the servers to ask.

    Args:
        words: A server's command; empty to look into the configs of clients.
        server: The name given with `--server`, for a command.
        folder: The project's folder.

    Raises:
        UsageError: There is no config and no command, or a name without a command.
    """
    from handrail.mcp.ask import Command
    from handrail.mcp.clients import ConfigError, entries, named, places, server_name

    if words:
        if server is not None and server_name(server) != server:
            raise UsageError(f"--server {safe(server)}: a name has letters, digits, '_' and '-' only. Shorten it.")
        return Found({server or "": Command(tuple(words))})
    if server is not None:
        raise UsageError("--server names the server of a command. Add the command: -- COMMAND")
    home = Path.home()
    looked = places(folder, os.environ, home)
    found: list[Configured] = []
    broken: list[str] = []
    for place in looked:
        try:
            found += entries(place, folder, os.environ, home)
        except ConfigError as error:
            broken.append(str(error))
    if not found and not broken:
        names = ", ".join(_short(place.file, folder, home) for place in looked)
        raise UsageError(f"No MCP server was found in {names}. Name the server's command: handrail init -- COMMAND")
    servers = named(found)
    commands = {one.name: one.command for one in reversed(servers) if one.command is not None}
    problems = {one.name: one.problem for one in servers if one.problem and one.name not in commands}
    return Found(dict(reversed(commands.items())), servers, broken, problems)


def _short(file: Path, folder: Path, home: Path) -> str:
    if file.is_relative_to(folder):
        return safe(file.relative_to(folder))
    return safe(f"~/{file.relative_to(home)}" if file.is_relative_to(home) else file)


def may_start(found: Found, *, yes: bool) -> None:
    """Have a person agree that the commands in configs are started: a config may have come with somebody's repository.

    Args:
        found: The servers; a command that stands on the command line needs no agreement.
        yes: Whether `--yes` was given.

    Raises:
        UsageError: Nobody is there to agree.
        Abort: They do not.
    """
    from handrail.mcp.rewire import shown_words

    if yes or not found.entries or not found.commands:
        return
    say("To learn their tools, these commands of your MCP configs have to be started:")
    for entry in found.entries:
        if entry.command is not None:
            words = " ".join(safe(word) for word in shown_words(entry.words))
            say(f"  {safe(entry.name)} ({entry.client.name}): {words}")
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to agree at. Look at the commands above, then run it again with --yes")
    if not typer.confirm("Start them?", default=True, err=True):
        raise typer.Abort


def ask_servers(found: Found, timeout_s: float) -> Answers:
    """Ask all servers for their tools, several at a time; one that fails does not keep the others from answering.

    Args:
        found: The servers.
        timeout_s: How long each may take, in seconds.
    """
    import asyncio

    with progress("Asking MCP servers for their tools") as moved:
        told = asyncio.run(_all(found.commands, timeout_s, moved))
    listings = {name: answer for name, answer in told.items() if not isinstance(answer, str)}
    problems = {name: answer for name, answer in told.items() if isinstance(answer, str)}
    return Answers(listings, {**found.problems, **problems})


async def _all(
    commands: Mapping[str, Command], timeout_s: float, moved: Callable[[int, int], None] | None
) -> dict[str, Listing | str]:
    """Return what each server offers, or a sentence that says why it could not be asked."""
    import asyncio

    from handrail.mcp.ask import NoAnswer, ask

    gate = asyncio.Semaphore(AT_ONCE)
    told: dict[str, Listing | str] = {}

    async def one(name: str, command: Command) -> None:
        async with gate:
            try:
                told[name] = await ask(command, timeout_s=timeout_s)
            except NoAnswer as problem:
                told[name] = str(problem)
        if moved is not None:
            moved(len(told), len(commands))

    if moved is not None:
        moved(0, len(commands))
    async with asyncio.TaskGroup() as group:
        for name, command in commands.items():
            group.create_task(one(name, command))
    return {name: told[name] for name in commands}


def problem_of(name: str, problem: str) -> str:
    """Return what is said of a server that could not be asked, safe to print."""
    called = f"Server '{safe(name)}'" if name else "The server"
    return f"{called} could not be asked, so no tool of it is allowed. {problem}"


def by_web(entry: Configured) -> str:
    """Return what is said of a server that is reached by a web address, safe to print."""
    return (
        f"Server '{safe(entry.title)}' ({entry.client.name}) is reached by a web address and is NOT guarded: this "
        "release guards servers that are started as commands."
    )
