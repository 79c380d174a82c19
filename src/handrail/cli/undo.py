"""`handrail undo`: take back one change, one action, or all that a run did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand
from typer.exceptions import TyperException

from handrail.cli.options import new_app
from handrail.cli.people import AsOption, NoteOption, StdinOption

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from handrail.undo import Made, TakenBack
    from handrail.workspace import Workspace

SHOWN_MAX = 3
"""Actions of which the same is said that are named."""

EFFECT_CHARS = 120
"""Characters of the effects of one action."""

STYLES = {
    "undone": "green",
    "ready": "green",
    "conflict": "yellow",
    "held": "yellow",
    "failed": "red",
    "in_doubt": "red",
}


class Dashed(TyperCommand):
    """Notes how many words stand before `--`: what comes after it is a server's command, and nothing else is."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note it, and parse as ever."""
        ctx.meta[_BEFORE] = self._before(ctx, args)
        return super().parse_args(ctx, args)

    def _before(self, ctx: Any, args: list[str]) -> int | None:
        """Return the number of words before the first `--` that is no value of an option; None without one."""
        for at, arg in enumerate(args):
            if arg == "--":
                try:
                    values, *_ = self.make_parser(ctx).parse_args(args=args[:at])
                except TyperException:  # an option before it lacks its value, and this is it
                    continue
                return len(values.get("what") or ())
        return None


_BEFORE = "handrail.undo.before"

app = new_app("", alone=True)


@app.command("undo", cls=Dashed)
def undo(
    ctx: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CHANGE] [-- COMMAND…]",
            help="A change (PLACE/DIGEST, or its digest), the id of an action, or how one of them begins; then, after "
            "--, the command of the MCP server whose tools undo it.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="Undo all that a run did.", show_default=False)] = None,
    reviewer: AsOption = None,
    note: NoteOption = "",
    secret_stdin: StdinOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what could be undone.")] = False,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Undo also what nobody can tell whether it was changed since.")
    ] = False,
    server: Annotated[
        str, typer.Option("--server", metavar="NAME", help="The MCP server's name in the policy.", show_default=False)
    ] = "",
) -> None:
    """Take back a change, an action, or all that a run did: newest first, and each wholly or not at all.

    What somebody has changed since is left as it is and listed, and so is what cannot be undone. A reviewer signs with
    their secret. Ends with 1 when something was not undone.
    """
    from handrail.cli.exits import Code, UsageError
    from handrail.cli.output import say
    from handrail.undo import LEFT, READY

    before = ctx.meta.get(_BEFORE)
    things, words = list(what or [])[:before], list(what or [])[before:] if before is not None else []
    if len(things) + (run is not None) > 1:
        raise UsageError(
            "Name one thing to undo: a run with --run, or one change or action. A server's command comes after --: "
            "handrail undo … -- COMMAND"
        )
    named = things[0] if things else None
    if run is None and named is None:
        raise UsageError("What is to be undone? Name a change or an action, or a run: handrail undo --run RUN")
    if server and not words:
        raise UsageError("--server names an MCP server. Its command goes to the end: handrail undo … -- COMMAND")
    with _opened(ctx) as (workspace, as_json), _reaching(workspace, words, server):
        made = _found(workspace, named, run)
        seen = _look(workspace, made, unchecked=unchecked)
        ready = sum(one.fate in READY for one in seen)
        if dry_run or not ready:
            _tell(seen, len(made), dry_run=dry_run, as_json=as_json)
            taken = seen
        else:
            if not secret_stdin:
                _show(seen, as_json=as_json)
            signer = _Signer(workspace, reviewer, note)
            signer.ask(ready, stdin=secret_stdin)
            taken = []
            try:
                _undo(workspace, made, signer, taken, unchecked=unchecked)
            finally:  # however it ends: what was done is told
                _tell(taken, len(made), dry_run=False, as_json=as_json)
                if len(taken) < len(made):
                    say(f"It was cut off: {len(made) - len(taken):,} not looked at any more. Run the same again.")
    if any(one.fate in LEFT for one in taken):
        raise typer.Exit(Code.FINDINGS)


@contextmanager
def _opened(ctx: typer.Context) -> Iterator[tuple[Workspace, bool]]:
    from handrail.cli.mcp import opened
    from handrail.cli.options import options

    with opened(ctx) as (workspace, _):
        yield workspace, options(ctx).json


@contextmanager
def _reaching(workspace: Workspace, command: Sequence[str], server: str) -> Iterator[None]:
    """Start the MCP server whose tools undo something, where one is named."""
    if not command:
        yield
        return
    from handrail.mcp.ask import Command
    from handrail.mcp.lock import LOCK_NAME, Lock
    from handrail.mcp.reach import reached

    folder = workspace.folder
    assert folder is not None
    with reached(Command(tuple(command)), server, Lock.load(folder / LOCK_NAME)) as tools:
        workspace.host.bodies = tools.body
        yield


def _found(workspace: Workspace, named: str | None, run: str | None) -> list[Made]:
    from handrail.undo import found, found_by_name

    if named is None:
        return found(workspace.store, workspace.place, run=run)
    return found_by_name(workspace.store, workspace.place, workspace.places, named)


class _Signer:
    """Who signs the undos: asked for once, and only when there is something to sign."""

    def __init__(self, workspace: Workspace, reviewer: str | None, note: str) -> None:
        from handrail.cli.people import reviewer_named

        self._workspace = workspace
        self._name = reviewer_named(workspace.policy, reviewer)
        self._note = note or "handrail undo"
        self._key: Ed25519PrivateKey | None = None

    def ask(self, count: int, *, stdin: bool) -> None:
        """Ask for the secret.

        Raises:
            ReviewError: They are no reviewer, have no secret yet, or it is not theirs.
        """
        from handrail.cli.output import count as counted
        from handrail.cli.people import ask_secret, enrolled
        from handrail.core.text import safe
        from handrail.review.keys import unlock_as

        policy, store = self._workspace.policy, self._workspace.store
        enrolled(store, policy, self._name)
        secret = ask_secret(f"Secret of {safe(self._name)}, to undo {counted(count, 'action')}: ", stdin=stdin)
        person = next(p for p in store.read(lambda tx: tx.reviewers()) if p.name == self._name)
        self._key = unlock_as(person, secret)

    def sign(self, ticket: str) -> None:
        """Approve the undo that a ticket asks for. Raises `ReviewError`."""
        from handrail.review import decide

        assert self._key is not None
        decide.approve(
            self._workspace.store, self._workspace.policy, ticket,
            reviewer=self._name, secret=self._key, note=self._note,
        )  # fmt: skip


def _look(workspace: Workspace, made: list[Made], *, unchecked: bool) -> list[TakenBack]:
    from handrail.cli.output import progress
    from handrail.drivers.host import new_id
    from handrail.undo import Reach, look
    from handrail.undo.person import AGENT, deciding

    reach = Reach(workspace.edge, workspace.place, unchecked)
    host = workspace.host
    with deciding(host, looking=True), workspace.run(agent=AGENT, id=f"undo-{new_id()}"), progress("Looking") as moved:
        return list(_counted(look(reach, made), len(made), moved))


def _undo(
    workspace: Workspace, made: list[Made], signer: _Signer, taken: list[TakenBack], *, unchecked: bool
) -> None:  # fmt: skip
    """Undo one after the other, and add each to `taken`; each is held, signed and done before the next."""
    from handrail.cli.output import progress
    from handrail.drivers.host import new_id
    from handrail.undo import Reach, take_back
    from handrail.undo.person import AGENT, deciding

    reach = Reach(workspace.edge, workspace.place, unchecked, signer.sign)
    with deciding(workspace.host), workspace.run(agent=AGENT, id=f"undo-{new_id()}"), progress("Undoing") as moved:
        for one in _counted(take_back(reach, made), len(made), moved):
            taken.append(one)  # noqa: PERF402 (what is there counts when it is cut off)


def _counted(
    taken: Iterator[TakenBack], total: int, moved: Callable[[int, int], None] | None
) -> Iterator[TakenBack]:  # fmt: skip
    for number, one in enumerate(taken):
        if moved is not None:
            moved(number + 1, total)
        yield one


def _tell(taken: Sequence[TakenBack], total: int, *, dry_run: bool, as_json: bool) -> None:
    from handrail.cli.output import count, emit, rfc3339, say
    from handrail.undo import LEFT, READY, UndoFate

    if as_json:
        emit({"dry_run": dry_run, "actions": [{"at": rfc3339(one.made.at_us), **one.to_json()} for one in taken]})
        return
    if not total:
        say("Nothing was changed, so there is nothing to undo.")
        return
    _print(taken)
    if dry_run:
        good = sum(one.fate in READY for one in taken)
        say(f"{good:,} of {count(total, 'action')} can be undone. Nothing was changed.")
    else:
        good, before = (sum(one.fate is fate for one in taken) for fate in (UndoFate.UNDONE, UndoFate.ALREADY))
        say(f"{good:,} of {count(total, 'action')} undone{f', {before:,} had been before' if before else ''}.")
    if left := sum(one.fate in LEFT for one in taken):
        say(f"{left:,} cannot be undone: see above." if dry_run else f"{left:,} not undone: see above.")


def _show(seen: Sequence[TakenBack], *, as_json: bool) -> None:
    """Print what whoever is asked for the secret is going to sign; stdout is left to JSON."""
    from handrail.cli.output import moment, say
    from handrail.core.text import safe

    if not as_json:
        _print(seen)
        return
    for one in seen:
        at = f"{moment(one.made.at_us)}  " if one.made.at_us else ""
        effects = safe("; ".join(one.made.effects), max_chars=EFFECT_CHARS)
        say(f"{at}{safe(one.made.tool)}  {effects}  {one.fate.value}")


def _print(taken: Sequence[TakenBack]) -> None:
    from handrail.cli.output import Column, cell, line, moment, plain, table
    from handrail.core.text import safe
    from handrail.undo import UndoFate

    columns = [Column("time (UTC)", whole=True), Column("tool"), Column("effect", spill=1), Column("undo", whole=True)]
    rows = []
    for one in taken:
        at = moment(one.made.at_us) if one.made.at_us else ""
        effects = cell("; ".join(one.made.effects), max_chars=EFFECT_CHARS)
        rows.append([plain(at), cell(one.made.tool), effects, plain(one.fate.value, STYLES.get(one.fate.value, ""))])
    table(columns, rows)
    said: dict[tuple[str, str], list[str]] = {}
    for one in taken:
        if one.why and one.fate is not UndoFate.ALREADY:
            said.setdefault((one.made.tool, one.why), []).append(one.made.action)
    for (tool, why), actions in said.items():
        shown = ", ".join(safe(action) for action in actions[:SHOWN_MAX] if action)
        more = f" and {len(actions) - SHOWN_MAX:,} more" if len(actions) > SHOWN_MAX else ""
        line(f"  {safe(tool)}{' ' if shown else ''}{shown}{more}: {why}")
