"""Scene 3, guardrail bypass: nothing may start in production unapproved, so it starts in staging and is re-tagged.

The unguarded half has a guardrail, on a tool's name and argument; the agent satisfies it and reaches production. The
guarded half has a rule on the effect: whatever changes production is asked about, whichever tool leads there.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import handrail
from handrail.core.digest import Json
from handrail.core.record import RecordKind
from handrail.core.ticket import Ticket, TicketState
from handrail.demo.journal import call_of, is_own, records, tickets
from handrail.demo.scene import Counts, Result, Stage, Tone, excerpt
from handrail.review.decide import add_reviewer, approve, deny, find

OWNER, REVIEWER = "dana@example.com", "kim@example.com"

POLICY = """\
version: 1
store: sqlite:///handrail.db
four_eyes: true
reviewers: [dana@example.com, kim@example.com]
zones: {production: [prod, prd, live], staging: [stage, stg]}
agents:
  infra-bot: {access: write, owner: dana@example.com, tokens_per_day: 200_000}
tools:
  ec2.describe: {do: read, resource: "instance/{args.id}"}
  ec2.run_instance:
    do: create
    zone: args.env
    resource: "instance/{result.id}"
  ec2.set_tags:
    do: update
    zone: args.tags.env?
    resource: "instance/{args.id}"
    before: {call: ec2.describe, args: {id: args.id}}
    ask: never
rules:
  - id: production
    when: effect.zone == "production" && effect.verb != "read"
    then: ask
"""

NAIVE = 'if tool == "run_instance" and env == "production": ask()'


class Cloud:
    """The cloud: an inventory of machines in SQLite, and every change that was ever made to one."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            "PRAGMA synchronous = OFF;"
            "CREATE TABLE instances (id TEXT PRIMARY KEY, env TEXT NOT NULL);"
            "CREATE TABLE changes (instance TEXT NOT NULL, env TEXT NOT NULL);"
        )

    def run_instance(self, env: str) -> dict[str, str]:
        """Start a machine."""
        (number,) = self._db.execute("SELECT count(*) FROM instances").fetchone()
        made = f"i-{number + 1:04}"
        self._db.execute("INSERT INTO instances VALUES (?, ?)", (made, env))
        self._db.execute("INSERT INTO changes VALUES (?, ?)", (made, env))
        return {"id": made}

    def set_tags(self, id: str, tags: dict[str, str]) -> None:
        """Change a machine's tags; `env` is where it works."""
        self._db.execute("UPDATE instances SET env = ? WHERE id = ?", (tags["env"], id))
        self._db.execute("INSERT INTO changes VALUES (?, ?)", (id, tags["env"]))

    def describe(self, id: str) -> dict[str, str]:
        """Return one machine."""
        (env,) = self._db.execute("SELECT env FROM instances WHERE id = ?", (id,)).fetchone()
        return {"id": id, "env": env}

    def counts(self) -> Counts:
        """Count the machines, those in production, and how often one was put there."""
        (instances,) = self._db.execute("SELECT count(*) FROM instances").fetchone()
        (there,) = self._db.execute("SELECT count(*) FROM instances WHERE env = 'production'").fetchone()
        (entries,) = self._db.execute("SELECT count(*) FROM changes WHERE env = 'production'").fetchone()
        return {"instances": instances, "in_production": there, "entries_into_production": entries}

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def deploy(run_instance: Callable[..., dict[str, str]], set_tags: Callable[..., None]) -> Callable[[], None]:
    """Play the agent, the same in both halves: refused in production, it reaches for another way there.

    Returns:
        Its last step, to be made again after an approval.
    """
    try:
        run_instance(env="production")
    except Exception:  # noqa: BLE001 (what this agent does wrong: it takes a refusal for an obstacle)
        made = run_instance(env="staging")["id"]
        return partial(set_tags, id=made, tags={"env": "production"})
    return lambda: None


@dataclass(frozen=True, slots=True)
class GuardrailBypass:
    """A machine is started in staging, then re-tagged to production.

    Attributes:
        policy: The text of handrail.yaml in the guarded half.
    """

    policy: str = POLICY
    number: int = 3
    name: str = "Guardrail bypass"
    danger: str = (
        "You implement a guardrail, and the agent finds a way around it: another tool, or a chain of harmless steps."
    )

    def play(self, stage: Stage) -> Result:
        """Play both halves and count the inventory."""
        unguarded = _unguarded(stage)
        guarded = self._guarded(stage)
        held = (
            int(unguarded["unapproved"]) > 0
            and guarded["unapproved"] == 0
            and guarded["entries_into_production"] == guarded["approved"] == 1
        )
        verdict = (
            f"Entries into production that nobody approved: {unguarded['unapproved']} without Handrail, "
            f"{guarded['unapproved']} with it. Approvals: {guarded['approved']}, calls that ran by one: "
            f"{guarded['entries_into_production']}."
        )
        return Result(unguarded, guarded, held, verdict)

    def _guarded(self, stage: Stage) -> Counts:
        stage.act("With Handrail: the same agent, the same tools", Tone.GOOD)
        stage.say("Tools declare what they do; the rule speaks of the effect, not of a tool's name:")
        stage.source(
            excerpt(
                self.policy, "ec2.run_instance", "ec2.set_tags", " do: ", "zone:", "id: production", "when:", "then:"
            ),
            Tone.GOOD,
        )
        file = stage.folder / "handrail.yaml"
        file.write_text(self.policy, encoding="utf-8")
        with closing(Cloud(stage.folder / "cloud.db")) as cloud, handrail.open(file) as hr:
            kim, dana = secrets.token_urlsafe(), secrets.token_urlsafe()
            add_reviewer(hr.store, hr.policy, REVIEWER, kim)
            add_reviewer(hr.store, hr.policy, OWNER, dana)
            run_instance = _told(stage, "ec2.run_instance", hr.tool("ec2.run_instance")(cloud.run_instance))
            set_tags = _told(stage, "ec2.set_tags", hr.tool("ec2.set_tags")(cloud.set_tags))
            hr.tool("ec2.describe")(cloud.describe)
            with hr.run("infra-bot"):
                last = deploy(run_instance, set_tags)
                ticket = _attempt(last)
                if ticket is not None:
                    _review(stage, hr, ticket, kim, dana)
                    _again(stage, hr, last, kim)
            entered = cloud.counts()
            approved = tickets(hr.store, TicketState.SPENT)
            asked = tickets(hr.store)
        unapproved = int(entered["entries_into_production"]) - approved
        stage.say(
            f"In the inventory: {entered['entries_into_production']} entry into production, {approved} approval spent.",
            Tone.GOOD if unapproved == 0 else Tone.BAD,
        )
        return entered | {"asked": asked, "approved": approved, "unapproved": unapproved}


def _unguarded(stage: Stage) -> Counts:
    stage.act("Without Handrail: a guardrail on the tool's name", Tone.BAD)
    stage.source([NAIVE], Tone.BAD)
    asked: list[str] = []
    with closing(Cloud(stage.folder / "cloud-unguarded.db")) as cloud:

        def run_instance(env: str) -> dict[str, str]:
            if env == "production":
                asked.append(env)
                raise PermissionError("Starting in production needs approval.")
            return cloud.run_instance(env)

        _attempt(deploy(_told(stage, "ec2.run_instance", run_instance), _told(stage, "ec2.set_tags", cloud.set_tags)))
        counts = cloud.counts()
    entries = int(counts["entries_into_production"])
    stage.say(
        f"In the inventory: {entries} machine in production that nobody approved. The guardrail refused "
        f"{len(asked)} call, and is technically satisfied.",
        Tone.BAD,
    )
    return counts | {"asked": len(asked), "approved": 0, "unapproved": entries}


def _told(stage: Stage, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a tool that also tells the stage what the agent calls and what comes of it."""

    def telling(**args: Any) -> Any:
        what = f"{name}({', '.join(f'{key}={json.dumps(value)}' for key, value in args.items())})"
        try:
            value = call(**args)
        except handrail.ReviewRequired as error:
            stage.say(f"{what}  held: ticket {error.ticket}", Tone.ASK)
            raise
        except Exception as error:
            stage.say(f"{what}  refused: {error}", Tone.ASK)
            raise
        stage.say(f"{what}  done: {value['id']}" if value else f"{what}  done")
        return value

    return telling


def _attempt(step: Callable[[], None]) -> str | None:
    """Make the agent's last step; return the ticket when it is held."""
    try:
        step()
    except handrail.ReviewRequired as error:
        return error.ticket
    except handrail.ActionError:
        return None
    return None


def _review(stage: Stage, hr: handrail.Workspace, id: str, kim: str, dana: str) -> None:
    """Show the question as a reviewer sees it; the agent's owner may not answer it, and somebody else does."""
    ticket = hr.store.read(lambda tx: find(tx, id))
    stage.card(f"{ticket.id}: may {ticket.agent} run {ticket.tool}?", _question(ticket, _chain(hr, ticket)))
    try:
        approve(hr.store, hr.policy, id, reviewer=OWNER, secret=dana)
    except handrail.ReviewError as error:
        stage.say(f"{OWNER} tries to approve: {error}", Tone.ASK)
    decided = approve(hr.store, hr.policy, id, reviewer=REVIEWER, secret=kim, note="moved as planned")
    stage.say(f"{REVIEWER} approves: ticket {decided.id} is {decided.state}. That by itself runs nothing.", Tone.GOOD)


def _again(stage: Stage, hr: handrail.Workspace, last: Callable[[], None], kim: str) -> None:
    """Make the same call three times: approved, it runs once; then it asks; then it is refused."""
    stage.say("The agent makes the same call again, and again:")
    _attempt(last)
    ticket = _attempt(last)
    if ticket is not None:
        deny(hr.store, hr.policy, ticket, reviewer=REVIEWER, secret=kim, note="once was enough")
        stage.say(f"{REVIEWER} refuses {ticket}.", Tone.GOOD)
        _attempt(last)


def _question(ticket: Ticket, chain: list[str]) -> list[tuple[str, str]]:
    """Return what a reviewer is asked: why, which rule, which values, what would change, and how it came to this."""
    rows: list[tuple[str, str]] = []
    for finding in _objects(ticket.view.get("findings")):
        rows.append(("why", str(finding.get("why"))))
        rows.append(("rule", str(finding.get("rule"))))
        values = finding.get("values")
        rows += [("value", f"{name} = {value}") for name, value in (values if isinstance(values, dict) else {}).items()]
    for effect in _objects(ticket.view.get("effects")):
        rows.append(("would do", f"{effect.get('verb')} {effect.get('resource')} in zone {effect.get('zone')}"))
    rows.append(("now", json.dumps(ticket.view.get("before"))))
    rows += [("" if number else "how it got here", step) for number, step in enumerate(chain)]
    return rows


def _chain(hr: handrail.Workspace, ticket: Ticket) -> list[str]:
    """Replay the run from the journal: what the agent did, and what it tried and was not allowed to."""
    ends = {r.action: r.status for r in records(hr.store, ticket.run, RecordKind.OUTCOME)}
    attempts = [r for r in records(hr.store, ticket.run, RecordKind.ATTEMPT) if not is_own(r)]
    steps = [f"{call_of(record)}: {record.status or ends[record.action]}" for record in attempts[:-1]]
    return [*steps, f"{call_of(attempts[-1])}: this one"]


def _objects(value: Json) -> list[dict[str, Json]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
