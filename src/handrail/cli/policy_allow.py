"""`handrail policy allow`: from a refused tool to the one line of the policy that declares it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.exits import Code
from handrail.cli.options import options
from handrail.cli.output import emit, line, say, shown
from handrail.cli.session import opened
from handrail.cli.settings import load_policy, resolve, store_url
from handrail.core.text import safe

if TYPE_CHECKING:
    from handrail.backtest.trial import Course
    from handrail.core.digest import Json
    from handrail.core.record import Record
    from handrail.policy import CompiledPolicy
    from handrail.policy.amend import Amendment

_PLAIN = re.compile(r"[A-Za-z0-9_./:-]+")
"""Names whose words are what they look like."""

ROWS_MAX = 200
"""Recorded calls of the tool that are looked at, the newest."""


def allow(
    ctx: typer.Context,
    tool: Annotated[str, typer.Argument(help="Name of the tool, as it was refused.")],
    apply: Annotated[bool, typer.Option("--apply", help="Write the change instead of only showing it.")] = False,
) -> int:
    """Show what would have to change so that a refused tool may run.

    Of a tool that the policy does not know, a declaration is drafted from its name and its recorded calls, and shown as
    a diff; one that may write asks a person. Rules are never changed.
    """
    from handrail.cli.policy import short

    settings = resolve(options(ctx))
    policy = load_policy(settings)
    assert settings.policy is not None
    rows: list[Record] = []
    if store_url(settings, policy) != "memory:":
        with opened(ctx) as session:
            rows = _recorded(session.store, tool)
    if tool in policy.tools:
        notes, amendment = _declared(policy, settings.policy, tool, rows)
    else:
        notes, amendment = _drafted(policy, settings.policy, tool, rows)
    if amendment is not None and apply:
        amendment.write()
        notes.append(f"Written to {safe(short(settings.policy))}.")
    elif amendment is not None:
        notes.append("Nothing was written. Look at it, then run the same with --apply.")
    if options(ctx).json:
        told: dict[str, Json] = {
            "tool": tool,
            "declared": tool in policy.tools,
            "applied": amendment is not None and apply,
        }
        emit({**told, "diff": None if amendment is None else "\n".join(amendment.diff()) + "\n", "notes": list(notes)})
    else:
        _print(notes, amendment)
    return Code.FINDINGS if amendment is None else Code.OK


def _print(notes: Sequence[str], amendment: Amendment | None) -> None:
    """Print the diff on stdout, and what there is to say on stderr."""
    from handrail.policy.amend import shown_diff

    for part in () if amendment is None else shown_diff(amendment):
        line(part)
    for note in notes:
        say(" ".join(shown(note)))


def _recorded(store: object, tool: str) -> list[Record]:
    """Return the agents' own recorded calls of a tool, newest first."""
    from handrail.core.record import RecordKind
    from handrail.core.store import Query, Store

    assert isinstance(store, Store)
    query = Query(tool=tool, kinds=(RecordKind.ATTEMPT,), newest_first=True, limit=ROWS_MAX)
    rows = store.read(lambda tx: [row.record for row in tx.records(query)])
    return [row for row in rows if row.body.get("parent") is None and isinstance(row.body.get("args"), dict)]


# --- a tool that the policy does not know ----------------------------------------------------------------------------


def _drafted(
    policy: CompiledPolicy, file: Path, tool: str, rows: Sequence[Record]
) -> tuple[list[str], Amendment]:  # fmt: skip
    """Return the change that declares a tool, and what a person should look at."""
    from handrail.core.effect import Verb
    from handrail.core.names import did_you_mean
    from handrail.draft import entry_of
    from handrail.policy.amend import add_tool

    server, _, bare = tool.rpartition(".")
    listed: dict[str, object] = {"name": bare or tool, "inputSchema": _schema(rows)}
    entry = entry_of(listed, server if bare else "")
    if not _PLAIN.fullmatch(tool):
        why = "its name has unusual characters, so no word of it is believed, and it asks every time."
        entry = replace(entry, verb=Verb.EXECUTE, why=why)
    notes = [f"'{safe(tool)}' is not declared, so it is refused. Drafted as '{entry.verb.value}': {entry.why}"]
    if not rows:
        notes.append(
            f"No call of it is recorded, so its resource is not known.{did_you_mean(tool, sorted(policy.tools))}"
        )
    elif entry.aim.resource is None:
        notes.append(
            "Nothing in its recorded arguments names a resource: what is remembered of resources passes it by."
        )
    else:
        notes.append(f"Its resource is taken from {len(rows):,} recorded call(s): see that it is the right argument.")
    if not entry.asks:
        notes.append("It would run without asking, because it seems to read only. If it does not, change 'do'.")
    return notes, add_tool(file, tool, entry.declaration())


def _schema(rows: Sequence[Record]) -> dict[str, object]:
    """Return what recorded calls tell of a tool's arguments: those that every call had, with their types."""
    calls = [args for row in rows if isinstance(args := row.body.get("args"), dict)]
    names = [name for name in calls[0] if all(name in args for args in calls)] if calls else []
    types = {name: {_type(args[name]) for args in calls} for name in names}
    return {
        "type": "object",
        "required": names,
        "properties": {name: {"type": found.pop() if len(found) == 1 else "object"} for name, found in types.items()},
    }


def _type(value: Json) -> str:
    if isinstance(value, str) and value.strip():
        return "string"
    return "integer" if type(value) is int else "object"


# --- a tool that is declared -----------------------------------------------------------------------------------------


def _declared(
    policy: CompiledPolicy, file: Path, tool: str, rows: Sequence[Record]
) -> tuple[list[str], Amendment | None]:  # fmt: skip
    """Return what stands in the way of a declared tool, and the change where one line does it."""
    from handrail.backtest.journal import is_secret
    from handrail.backtest.trace import Attempt
    from handrail.backtest.trial import Trial
    from handrail.core.outcome import Reason, Status

    denied = next((row for row in rows if row.status not in ("", Status.HUMAN_REVIEW_REQUIRED)), None)
    if denied is None:
        why = f"'{safe(tool)}' is declared, and no refusal of it is recorded. See what a call would come to:"
        return [f"{why} handrail policy explain AGENT TOOL ARGS_JSON"], None
    if denied.reason in (Reason.STOPPED, Reason.IN_DOUBT):
        return [f"The policy did not refuse it: {denied.body.get('why') or _first_why(denied)}"], None
    args = denied.body.get("args")
    assert isinstance(args, dict)
    if is_secret(args):
        return [f"Its recorded arguments are secret in part, so it cannot be decided again. {_first_why(denied)}"], None
    course = Trial(policy).begin(Attempt(denied.agent, denied.run, "allow", tool, args), held=True)
    if course.decision == "allow":
        return [f"The policy would let this call run now; it was refused then: {_first_why(denied)}"], None
    if course.decision == "ask":
        why = f"It is not refused now, it asks a person: {course.why} See: handrail review list"
        return [why], None
    return _advice(policy, file, course)


def _first_why(record: Record) -> str:
    found = record.body.get("findings")
    first = found[0] if isinstance(found, list) and found else None
    return str(first.get("why", "")) if isinstance(first, dict) else ""


def _advice(policy: CompiledPolicy, file: Path, course: Course) -> tuple[list[str], Amendment | None]:
    """Return what would have to change, and the change where one line about this tool alone does it."""
    from handrail.core.tool import Access
    from handrail.policy.amend import AmendError, add_key

    name = course.attempt.tool
    agent, tool = policy.agent(course.attempt.agent), policy.tools[name]
    lines = {rule.id: rule.line for rule in policy.rules}
    notes = [course.why]
    amendment = None
    for one in course.decisive:
        if one in lines:
            notes.append(
                f"Rule '{safe(one)}' stands in line {lines[one]}: narrow its 'when' or its 'for' there. Rules are not "
                "changed by this command."
            )
        elif one == "access" and agent is not None:
            notes.append(f"Agent '{safe(agent.name)}' would need more 'access', for all its tools.")
            if agent.access is Access.WRITE_NONCRITICAL and tool.critical and len(course.decisive) == 1:
                notes.append("Or this tool is declared not critical, for every agent:")
                try:
                    amendment = add_key(file, name, "critical", "critical: false")
                except AmendError as error:
                    notes.append(str(error))
    return notes, amendment
