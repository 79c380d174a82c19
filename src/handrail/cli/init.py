"""`handrail init`: ask MCP servers for their tools, draft a default-deny policy, pin the tools, and say what to change.

It writes `handrail.yaml` and `handrail.lock` and edits nothing that is there already.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.exits import Code, UsageError
from handrail.cli.options import Options, options
from handrail.cli.output import Column, cell, count, emit, line, plain, say, table
from handrail.core.text import safe
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    from handrail.cli.asking import Answers, Found
    from handrail.core.digest import Json
    from handrail.draft import Page, ToolEntry
    from handrail.mcp.clients import Client, Configured
    from handrail.mcp.rewire import Guard

TABLE_MAX = 60
"""Tools that are listed on the screen; of more, only the numbers: the file has them all."""


def init(
    ctx: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND…", help="How a server is started.", show_default=False)
    ] = None,
    server: Annotated[
        str | None, typer.Option("--server", metavar="NAME", help="Name of the command's server.", show_default=False)
    ] = None,
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="Name of the agent.")] = "agent",
    reviewer: Annotated[
        list[str] | None,
        typer.Option("--reviewer", metavar="NAME", help="Who approves; may be repeated.", show_default=False),
    ] = None,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="NAME", help="The person behind the agent [the first reviewer].")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy", metavar="FILE", help="The policy to write, or with --repin to pin for [handrail.yaml]."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the policy; write nothing.")] = False,
    repin: Annotated[
        bool, typer.Option("--repin", help="Show which tools changed since they were pinned, and ask about each.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Start the commands in configs, and with --repin accept all changes.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=3600, help="How long each server may take.")
    ] = 20,
) -> int:
    """Draft a policy for the MCP servers of this folder, or for the one that COMMAND starts, and pin their tools.

    It looks into .mcp.json, .cursor/mcp.json, .vscode/mcp.json and Claude Desktop's config, and edits none of them.
    """
    from handrail.cli.asking import ask_servers, find_servers, may_start

    said = options(ctx)
    said = replace(said, policy=policy or said.policy)
    if said.store is not None or said.config is not None:
        raise UsageError("init takes neither --store nor --config. Write the store into the policy: store: sqlite:///…")
    if repin:
        from handrail.cli.repin import repin as run_repin

        return run_repin(said, command or [], server, dry_run=dry_run, yes=yes, timeout_s=timeout)
    folder = Path.cwd()
    target = folder / (said.policy or "handrail.yaml")
    if not dry_run:
        _free(target)
    found = find_servers(command or [], server, folder)
    people = _people(agent, owner, reviewer or [], folder)
    may_start(found, yes=yes)
    answers = ask_servers(found, timeout)
    if not answers.listings:
        return _nothing(found, answers, as_json=said.json)
    drafted = _drafted(people, found, answers, target)
    differ = [] if dry_run else _write(drafted, answers)
    _tell(said, drafted, found, answers, differ, written=not dry_run)
    return Code.FINDINGS if answers.problems or found.configs else Code.OK


# --- before anything is asked -----------------------------------------------------------------------------------------


def _free(target: Path) -> None:
    """Refuse to write over what is there."""
    name = safe(target.name)
    if target.exists() or target.is_symlink():
        raise ConfigurationError(
            f"{name} is there already, and init never overwrites it. To look at tools that changed: handrail init "
            "--repin. To see a fresh draft beside it: handrail init --dry-run. To write one elsewhere: --policy FILE"
        )
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {safe(target.parent)} to write {name} into. Make it first.")


@dataclass(frozen=True, slots=True)
class People:
    """Who acts and who decides.

    Attributes:
        agent: Name of the agent.
        owner: The person behind it.
        reviewers: Who may approve.
    """

    agent: str
    owner: str
    reviewers: tuple[str, ...]


def _people(agent: str, owner: str | None, reviewers: Sequence[str], folder: Path) -> People:
    """Return the names that the draft has; who reviews is asked for at a terminal."""
    from handrail.draft import people_problem

    names = tuple(reviewers) or (_reviewer(folder),)
    people = People(agent, owner or names[0], names)
    problem = people_problem(agent, people.owner, names)
    if problem:
        raise UsageError(f"{problem}. Give others with --agent, --owner and --reviewer.")
    return people


def _reviewer(folder: Path) -> str:
    known = _git_email(folder)
    if sys.stdin.isatty():
        return str(typer.prompt("Who approves what the agent asks for? Your name", default=known or None, err=True))
    if known:
        say(f"The reviewer is {safe(known)}, from git's user.email. Name another with --reviewer NAME.")
        return known
    raise UsageError("Nobody is named who approves what the agent asks for. Name yourself: --reviewer you@example.com")


def _git_email(folder: Path) -> str:
    """Return git's user.email, `""` when there is none."""
    import subprocess

    words = ["git", "config", "--get", "user.email"]
    try:
        told = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 (fixed words)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""  # no git: then a person is asked, or has to say
    return told.stdout.strip()


# --- the draft --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drafted:
    """What is to be written.

    Attributes:
        target: The policy's file.
        page: The draft.
        text: Its text.
        entries: The declared tools, by server.
        guard: What stands in front of each server.
        warnings: What `policy check` says of the draft.
    """

    target: Path
    page: Page
    text: str
    entries: dict[str, list[ToolEntry]]
    guard: Guard
    warnings: tuple[str, ...]


def _drafted(people: People, found: Found, answers: Answers, target: Path) -> Drafted:
    """Draft the policy, and check it as `handrail policy check` would."""
    from handrail.draft import Page, Server, entry_of, method_entry
    from handrail.errors import PolicyError
    from handrail.mcp.rewire import Guard, own_program
    from handrail.policy import loads
    from handrail.policy.check import Level, check

    entries = {
        name: [
            *(entry_of(tool, name) for tool in listing.tools),
            *(method_entry(method, name) for method in listing.gated),
        ]
        for name, listing in answers.listings.items()
    }
    servers = [
        Server(
            found.origin(name),
            entries.get(name, []),
            answers.listings[name].left_out if name in answers.listings else (),
            answers.problems.get(name, ""),
        )
        for name in found.names
    ]
    page = Page(people.agent, people.owner, people.reviewers, servers)
    text = page.text()
    try:
        advice = check(loads(text, target.name))
    except PolicyError as error:
        first = error.problems[0].message
        raise ConfigurationError(f"The draft cannot be used, so nothing was written: {first}") from None
    wrong = [one.message for one in advice if one.level is Level.ERROR]
    if wrong:
        raise ConfigurationError(f"The draft guards too little, so nothing was written: {wrong[0]}")
    guard = Guard(own_program(), people.agent, target.absolute())
    return Drafted(target, page, text, entries, guard, tuple(one.message for one in advice))


def _write(drafted: Drafted, answers: Answers) -> list[str]:
    """Write policy and lock, both or neither; return the servers whose pins were there before and differ."""
    from handrail.mcp.lock import Lock, lock_beside, pins_of

    path = lock_beside(drafted.target)
    lock = Lock.load(path)
    differ = []
    for name, listing in answers.listings.items():
        pins = pins_of(listing.tools)
        if name not in lock.servers:
            lock = lock.with_pins(name, pins)
        elif lock.changes(name, pins):  # somebody looked at those that are pinned, and nobody at these
            differ.append(name)
    try:
        with drafted.target.open("x", encoding="utf-8") as stream:
            stream.write(drafted.text)
    except OSError as error:
        why = error.strerror or error
        raise ConfigurationError(f"{safe(drafted.target)} cannot be written: {why}. Nothing was written.") from None
    try:
        lock.save(path)
    except ConfigurationError:
        drafted.target.unlink()
        raise
    return differ


def _nothing(found: Found, answers: Answers, *, as_json: bool) -> int:
    """Say that there is nothing to draft from."""
    from handrail.cli.asking import by_web, problem_of

    problems = [problem_of(name, why) for name, why in answers.problems.items()]
    sentences = [*found.configs, *problems, *map(by_web, found.by_web)]
    if as_json:
        emit({"written": False, "error": "No server could be asked, so nothing was written.", "problems": [*sentences]})
    for sentence in sentences:
        say(sentence)
    say("No server could be asked, so nothing was written.")
    return Code.FINDINGS


# --- what is said -----------------------------------------------------------------------------------------------------


def _tell(
    said: Options, drafted: Drafted, found: Found, answers: Answers, differ: Sequence[str], *, written: bool
) -> None:
    """Print what was drafted and what to do next."""
    if said.json:
        emit(_form(drafted, found, answers, differ, written=written))
        return
    if written:
        _tell_written(drafted, found)
    else:
        sys.stdout.write(drafted.text)
    _tell_problems(drafted, found, answers, differ)
    if written:
        _tell_changes(drafted, found)
        _tell_next(drafted)


def _tell_written(drafted: Drafted, found: Found) -> None:
    rows = [
        [cell(one.name, max_chars=60), plain(one.verb.value), plain(*_ASKS[one.asks]), cell(one.why, max_chars=160)]
        for entries in drafted.entries.values()
        for one in entries
    ]
    if len(rows) <= TABLE_MAX:
        table((Column("tool"), Column("does", whole=True), Column("then", whole=True), Column("why")), rows)
        line()
    for name, entries in drafted.entries.items():
        asks = sum(one.asks for one in entries)
        called = f"Server '{safe(found.title(name))}'" if name else "The server"
        line(f"{called}: {count(len(entries), 'tool')}; {len(entries) - asks} may run, {asks} ask a person first.")
    line(f"Written: {safe(drafted.target.name)} (the policy) and handrail.lock (pins what each tool says of itself).")


_ASKS = {False: ("may run", "green"), True: ("asks a person", "yellow")}


def _tell_problems(drafted: Drafted, found: Found, answers: Answers, differ: Sequence[str]) -> None:
    from handrail.cli.asking import by_web, problem_of

    for name, listing in answers.listings.items():
        for sentence in listing.left_out:
            say(f"{safe(found.title(name)) or 'The server'}: {sentence}")
    for sentence in (
        *found.configs,
        *(problem_of(name, why) for name, why in answers.problems.items()),
        *map(by_web, found.by_web),
        *map(_differs, differ),
    ):
        say(sentence)
    if not drafted.page.four_eyes:
        say(ALONE.format(name=safe(drafted.page.owner)))


ALONE = (
    "WARNING: FOUR EYES ARE OFF (four_eyes: false). {name} owns the agent and is its only reviewer, so one person "
    "approves what their own agent asks for. When there is a second person, add them under reviewers: and remove it."
)


def _differs(name: str) -> str:
    called = f"server '{safe(name)}'" if name else "the server"
    return f"Tools of {called} differ from what handrail.lock has, and stay denied. Look at them: handrail init --repin"


def _tell_changes(drafted: Drafted, found: Found) -> None:
    """Print what to change in each client's config."""
    changes = _changes(drafted, found)
    if not changes:
        return
    line()
    line("Nothing is guarded yet. Put Handrail in front of each server, in the config of its client:")
    for change in changes:
        line()
        where = f"{safe(change.file)}, server '{safe(change.title)}'" if change.file else "In the config of your client"
        if change.done:
            line(f"{where}: Handrail is in front of it already.")
            continue
        keep = "replace these two and keep everything else, env too" if change.file else "write"
        line(f"{where}: {keep}:")
        line(f'    "command": {_json(change.words[0])},')
        line(f'    "args": {_json(list(change.words[1:]))}')
        if change.hidden:
            line(f"    Put what stands there now in the place of each {_json(change.hidden)}; it looks secret.")
    line()
    for client in dict.fromkeys(change.client for change in changes if change.client is not None):
        line(f"Then, {client.name}: {client.restart} {client.look}")


def _tell_next(drafted: Drafted) -> None:
    name, agent = safe(drafted.target.name), drafted.page.agent
    line()
    line("Next:")
    for number, step in enumerate(_steps(drafted), 1):
        line(f"  {number}. {step}")
    look = f"handrail log --agent {shell(agent)}{_policy_option(drafted)}"
    line(f"To see that it works: have the agent use a tool, and run: {look}")
    line(f"A row for that call has to be there. A tool that {name} does not declare must be missing or denied.")


def _steps(drafted: Drafted) -> list[str]:
    option = _policy_option(drafted)
    add = ", ".join(f"handrail reviewer add {shell(one)}{option}" for one in drafted.page.reviewers)
    return [
        f"Read {safe(drafted.target.name)} line by line, above all what may run, and correct it.",
        f"Set the secret that approvals are signed with, at a terminal: {add}",
        "Change the configs as said above, and start the clients again.",
        f"See whether the protection is really on: handrail doctor{option}",
    ]


def _policy_option(drafted: Drafted) -> str:
    """Return what names the policy to a command; `""` where it is found by itself."""
    name = str(drafted.target.relative_to(Path.cwd())) if drafted.target.is_relative_to(Path.cwd()) else drafted.target
    return "" if name == "handrail.yaml" else f" --policy {shell(str(name))}"


def shell(text: str) -> str:
    """Return foreign text as one word of a command line, safe to print."""
    import shlex

    return safe(shlex.quote(text))


def _json(value: Json) -> str:
    """Return JSON that is safe to print: everything beyond ASCII is escaped."""
    import json

    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


@dataclass(frozen=True, slots=True)
class Rewiring:
    """What to change for one server in one config.

    Attributes:
        client: Whose config it is; None for a command on the command line.
        file: The config; None for a command on the command line.
        title: The server's name there.
        words: Program and arguments to write, what looks secret replaced.
        hidden: What stands in the place of what looks secret; `""` when nothing does.
        done: Whether Handrail is in front already.
    """

    client: Client | None
    file: Path | None
    title: str
    words: tuple[str, ...]
    hidden: str
    done: bool


def _changes(drafted: Drafted, found: Found) -> list[Rewiring]:
    from handrail.mcp.rewire import HIDDEN, shown_words

    def change(name: str, words: Sequence[str], entry: Configured | None) -> Rewiring:
        shown = shown_words(words)
        done = entry is not None and drafted.guard.stands(name, words, entry.written)
        guarded = drafted.guard.words(name, shown)
        return Rewiring(
            None if entry is None else entry.client,
            None if entry is None else entry.file,
            name if entry is None else entry.title,
            guarded,
            HIDDEN if any(HIDDEN in word for word in shown) else "",
            done,
        )

    if not found.entries:
        return [change(name, command.words, None) for name, command in found.commands.items()]
    return [change(one.name, one.words, one) for one in found.entries if not one.url and one.name in drafted.entries]


def _form(drafted: Drafted, found: Found, answers: Answers, differ: Sequence[str], *, written: bool) -> dict[str, Json]:
    """Return all of it for machines."""
    from handrail.cli.asking import by_web, problem_of

    page = drafted.page
    servers: list[Json] = [
        {
            "server": name,
            "title": found.title(name),
            "problem": problem_of(name, answers.problems[name]) if name in answers.problems else None,
            "left_out": list(answers.listings[name].left_out) if name in answers.listings else [],
            "pins_differ": name in differ,
            "tools": [
                {"tool": one.name, "do": one.verb.value, "asks": one.asks, "why": one.reason}
                for one in drafted.entries.get(name, [])
            ],
        }
        for name in found.names
    ]
    changes: list[Json] = [
        {
            "client": None if change.client is None else change.client.name,
            "config": None if change.file is None else str(change.file),
            "server": change.title,
            "guarded": change.done,
            "command": change.words[0],
            "args": list(change.words[1:]),
            "hidden": change.hidden or None,
        }
        for change in _changes(drafted, found)
    ]
    form: dict[str, Json] = {
        "policy": str(drafted.target),
        "lock": str(drafted.target.with_name("handrail.lock")),
        "written": written,
        "agent": page.agent,
        "owner": page.owner,
        "reviewers": list(page.reviewers),
        "four_eyes": page.four_eyes,
        "servers": servers,
        "not_guarded": [by_web(entry) for entry in found.by_web],
        "configs": list(found.configs),
        "changes": changes,
        "warnings": list(drafted.warnings),
        "next": list(_steps(drafted)),
    }
    return form if written else {**form, "text": drafted.text}
