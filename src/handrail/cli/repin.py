"""`handrail init --repin`: show which tools changed since they were pinned, and pin what a person accepts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from handrail.cli.exits import Code, UsageError
from handrail.cli.options import Options
from handrail.cli.output import count, emit, line, plain, say, show
from handrail.core.text import safe
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    from handrail.cli.asking import Answers, Found
    from handrail.core.digest import Json
    from handrail.mcp.ask import Listing
    from handrail.mcp.lock import Lock, Pins
    from handrail.policy import CompiledPolicy

DIFF_MAX = 200
"""Lines of one difference that are shown."""


@dataclass(slots=True)
class Difference:
    """One tool that differs from its pin.

    Attributes:
        server: Its server's name in the policy.
        tool: Its own name.
        kind: `new`, `changed` or `gone`.
        rows: What is different, line by line: `+`, `-` or a blank, and safe text.
        accepted: Whether a person took it over; None when nobody was asked.
    """

    server: str
    tool: str
    kind: str
    rows: list[str]
    accepted: bool | None = None

    @property
    def name(self) -> str:
        """Its name in the policy."""
        from handrail.draft.entry import policy_name

        return policy_name(self.server, self.tool)


def repin(
    said: Options, words: Sequence[str], server: str | None, *, dry_run: bool, yes: bool, timeout_s: float
) -> int:
    """Compare the pins with what the servers say now, and pin what is accepted.

    Args:
        said: The options of every command.
        words: A server's command; empty to look into the configs of clients.
        server: The name of the command's server.
        dry_run: Whether to write nothing and ask about nothing.
        yes: Whether to start the commands in configs and to accept everything.
        timeout_s: How long each server may take, in seconds.

    Returns:
        The exit code: 0 when every tool that a server lists is pinned as it is.

    Raises:
        UsageError: There is no server to ask, or no terminal to agree at.
        ConfigurationError: There is no policy, or the lock cannot be used.
    """
    from handrail.cli.asking import ask_servers, find_servers, may_start
    from handrail.cli.settings import resolve
    from handrail.mcp.lock import Lock, lock_beside, pins_of

    policy = resolve(said).policy
    if policy is None:
        raise ConfigurationError("There is no policy here or above, so there is nothing to pin for: handrail init")
    path = lock_beside(policy)
    lock = Lock.load(path)
    if words and server is None and lock.servers and "" not in lock.servers:
        names = ", ".join(safe(name) for name in lock.servers)
        raise UsageError(f"The lock pins its servers by name: {names}. Say which one this command is: --server NAME")
    found = find_servers(words, server, Path.cwd() if said.policy is not None else policy.parent)
    may_start(found, yes=yes)
    answers = ask_servers(found, timeout_s)
    pins = {name: pins_of(listing.tools) for name, listing in answers.listings.items()}
    differences = [one for name in pins for one in _differences(lock, name, pins[name])]
    ask = not (said.json or dry_run or yes) and sys.stdin.isatty()
    _decide(differences, ask=ask, yes=yes and not dry_run, quiet=said.json)
    after = lock
    for name, now in pins.items():
        after = after.with_pins(name, _after(lock, name, now, differences))
    write = (ask or (yes and not dry_run)) and any(one.accepted or one.kind == "gone" for one in differences)
    if write:
        after.save(path)
    undeclared = _undeclared(said, differences, answers.listings)
    if said.json:
        emit(_form(path, differences, found, answers, undeclared, written=write))
    else:
        _tell(path, differences, answers, undeclared, written=write)
        _tell_unasked(lock, found, answers)
    left = [one for one in differences if one.kind != "gone" and not one.accepted]
    return Code.FINDINGS if left or answers.problems or found.configs else Code.OK


def _differences(lock: Lock, server: str, now: Pins) -> Iterator[Difference]:
    before = lock.servers.get(server, {})
    changes = lock.changes(server, now)
    for tool in changes.changed:
        yield Difference(server, tool, "changed", _diff(before[tool].says, now[tool].says))
    for tool in changes.new:
        yield Difference(server, tool, "new", _diff((), now[tool].says))
    for tool in changes.gone:
        yield Difference(server, tool, "gone", [])


def _diff(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return what differs, a line each, safe to print."""
    import difflib

    rows = list(difflib.unified_diff(before, now, n=2, lineterm=""))[2:]
    shown = [f"{row[:1]} {safe(row[1:], max_chars=400)}" for row in rows if not row.startswith("@@")]
    if not shown:
        return ["  The difference lies beyond the text that the lock keeps. Look at the server's own source."]
    if len(shown) > DIFF_MAX:
        return [*shown[:DIFF_MAX], f"  … (+{count(len(shown) - DIFF_MAX, 'line')})"]
    return shown


def _decide(differences: Sequence[Difference], *, ask: bool, yes: bool, quiet: bool) -> None:
    """Show each difference, and note whether a person accepts it."""
    for one in differences:
        if not quiet:
            _show(one)
        if one.kind == "gone":
            continue
        if yes:
            one.accepted = True
        elif ask:
            question = f"Let '{safe(one.name)}' be used as it is now?"
            one.accepted = typer.confirm(question, default=False, err=True)


_SAYS = {
    "changed": "changed since it was pinned, and is denied until you accept it:",
    "new": "is new, and is denied until you accept it:",
    "gone": "is not offered any more. If it comes back, it counts as new.",
}
_STYLES = {"+": "green", "-": "red"}


def _show(one: Difference) -> None:
    line(f"Tool '{safe(one.name)}' {_SAYS[one.kind]}")
    for row in one.rows:
        show(plain(f"    {row}", _STYLES.get(row[0], "")))


def _after(lock: Lock, server: str, now: Pins, differences: Sequence[Difference]) -> Pins:
    """Return the pins of a server: as they are now where accepted, as they were where not."""
    before = lock.servers.get(server, {})
    refused = {one.tool for one in differences if one.server == server and one.kind != "gone" and not one.accepted}
    kept = {name: pin for name, pin in now.items() if name not in refused}
    return {**kept, **{name: before[name] for name in refused if name in before}}


def _undeclared(
    said: Options, differences: Sequence[Difference], listings: Mapping[str, Listing]
) -> dict[str, list[str]]:
    """Return the accepted tools that the policy does not declare, with the lines that would declare them."""
    from handrail.cli.settings import load_policy, resolve
    from handrail.draft import entry_of

    policy: CompiledPolicy = load_policy(resolve(said))
    tools = {(name, tool["name"]): tool for name, listing in listings.items() for tool in listing.tools}
    return {
        one.name: list(entry_of(tools[one.server, one.tool], one.server).lines())
        for one in differences
        if one.accepted and policy.tool(one.name) is None
    }


def _tell(
    path: Path,
    differences: Sequence[Difference],
    answers: Answers,
    undeclared: Mapping[str, list[str]],
    *,
    written: bool,
) -> None:
    for name, listing in answers.listings.items():
        for sentence in listing.left_out:
            say(f"{safe(name) or 'The server'}: {sentence}")
    if not differences and answers.listings:
        line("Every tool is as it was pinned.")
    accepted = sum(bool(one.accepted) for one in differences)
    left = sum(one.kind != "gone" and not one.accepted for one in differences)
    if written:
        line(f"Written: {safe(path.name)}. {count(accepted, 'tool')} accepted, {left} not accepted and still denied.")
    elif left:
        say(f"Nothing was pinned. To look at each of these {left} at a terminal, run it there; to accept all: --yes")
    if undeclared and written:
        line(
            "Accepted but not declared, so still denied. What the agent needs of it goes under tools: in handrail.yaml:"
        )
        for lines in undeclared.values():
            line()
            for one in lines:
                line(f"  {one}")


def _tell_unasked(lock: Lock, found: Found, answers: Answers) -> None:
    from handrail.cli.asking import by_web, problem_of

    for sentence in (
        *found.configs,
        *(problem_of(name, why) for name, why in answers.problems.items()),
        *map(by_web, found.by_web),
    ):
        say(sentence)
    if not found.entries:
        return  # one server was named, and the others are not meant
    for name in lock.servers:
        if name not in found.names:
            called, option = (f"Server '{safe(name)}'", f"--server {safe(name)} ") if name else ("The server", "")
            say(
                f"{called} is pinned and stands in no config, so it was not asked. Name its command: "
                f"handrail init --repin {option}-- COMMAND"
            )


def _form(
    path: Path,
    differences: Sequence[Difference],
    found: Found,
    answers: Answers,
    undeclared: Mapping[str, list[str]],
    *,
    written: bool,
) -> dict[str, Json]:
    from handrail.cli.asking import problem_of

    tools: list[Json] = [
        {
            "server": one.server,
            "tool": one.name,
            "kind": one.kind,
            "accepted": one.accepted,
            "diff": [*one.rows],
            "declaration": undeclared[one.name][-1] if one.name in undeclared else None,
        }
        for one in differences
    ]
    problems: list[Json] = [
        *found.configs,
        *(problem_of(name, why) for name, why in answers.problems.items()),
    ]
    left_out: dict[str, Json] = {name: [*one.left_out] for name, one in answers.listings.items() if one.left_out}
    return {"lock": str(path), "written": written, "tools": tools, "left_out": left_out, "problems": problems}
