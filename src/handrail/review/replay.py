"""What a reviewer has to see before deciding: the plan in one sentence, why it asks, what would change, what led here.

`replay` is a pure function of a transaction; the command line and a web console only render what it returns. Except
where a field says that it is safe to print, texts are raw: whoever renders them passes them through `core.text.safe`.

The order of the fields is the order of showing. The agent's own words come last: what it says about its intentions must
not colour how the facts are read. Above them stand only names and values of the plan, the journal and the policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from handrail.core.admission import RETRIES_RULE
from handrail.core.digest import Json, digest
from handrail.core.effect import Verb
from handrail.core.outcome import Status
from handrail.core.policy import Policy
from handrail.core.record import Record, RecordKind, Stored
from handrail.core.store import Query, Transaction
from handrail.core.text import safe
from handrail.core.ticket import Ticket, TicketState, flatten
from handrail.policy.guarded import Act
from handrail.review.attempts import attempt_key, effective, only_reads
from handrail.review.planned import PlannedChange, planned
from handrail.review.sentence import EFFECTS_MAX, sentence, touched, wish
from handrail.review.view import listed, mapping, objects, text

STEPS_MAX = 30
"""Steps that one chain shows; the others are counted."""

READ_MAX = 5_000
"""Journal rows that one chain looks at."""

RESOURCES_MAX = 5
"""Resources whose chains are shown."""

FIELDS_MAX = 60
"""Fields of a change that are shown; the others are counted."""

PAST_MAX = 5
"""Similar decisions that are shown."""

WORDS_MAX = 12
"""Texts of the agent that are quoted; the others are counted."""

VIOLATIONS_MAX = 5
"""Violations of the last failure that are shown."""


@dataclass(frozen=True, slots=True)
class Tripped:
    """One rule that asks.

    Attributes:
        gate: Name of the gate.
        rule: Id of the rule inside it.
        why: The gate's sentence.
        values: The values that tripped it, by name, as text.
    """

    gate: str
    rule: str
    why: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: what stands there and what would.

    Attributes:
        path: Dotted path.
        before: Now, as text; None when the before-image does not have it.
        after: Afterwards, as text; None when it would be gone.
        changed: Whether the two differ.
        quoted: Whether `after` is free text, which is shown in full among the agent's own words.
        null: Whether the argument is null, beside something that stands there. It may be a default that the agent did
            not send, so it does not count as a change.
    """

    path: str
    before: str | None
    after: str | None
    changed: bool
    quoted: bool = False
    null: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What would change.

    Attributes:
        compared: Whether a before-image lies beside the arguments; otherwise the fields are the arguments alone.
        fields: Field by field, changed ones first.
        hidden: How many fields are not shown.
        untouched: How many fields of the before-image the arguments do not name.
    """

    compared: bool
    fields: tuple[FieldChange, ...]
    hidden: int = 0
    untouched: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that an agent did, tried, or was refused: an attempt together with its outcome.

    Attributes:
        at_us: When it was attempted.
        run: Run id.
        agent: Name of the agent.
        action: Id of the action.
        tool: Name of the tool.
        effects: What it does, `verb resource` each.
        status: Status tag; `begun` when no outcome is known.
        reason: Reason code.
        ticket: Ticket that it was held for, `""` without one.
        why: The sentence that refused it or says how it failed.
        by_handrail: Whether Handrail made the call itself (`before`, `verify`).
        asked: Whether it is the attempt that this ticket was opened for, or a repeat of it.
    """

    at_us: int
    run: str
    agent: str
    action: str
    tool: str
    effects: tuple[str, ...]
    status: str
    reason: str
    ticket: str = ""
    why: str = ""
    by_handrail: bool = False
    asked: bool = False


BEGUN = "begun"
"""Shown as the status of an attempt whose outcome is not known: it runs, waits for its next attempt, or is in doubt."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What happened in one run, or to one resource in other runs; newest last.

    Attributes:
        kind: `run` or `resource`.
        name: Run id or resource id.
        steps: At most `STEPS_MAX`, the newest.
        hidden: How many older ones are not shown.
        more: Whether there may be more than `hidden` says.
    """

    kind: str
    name: str
    steps: tuple[Step, ...]
    hidden: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """A decision about the same tool for the same agent.

    Attributes:
        ticket: Id of the ticket.
        approved: Whether it was approved.
        by: Who decided.
        note: Their words.
        at_us: When.
        resource: What it was about.
        what: What was wanted, words of ours, safe to print.
    """

    ticket: str
    approved: bool
    by: str
    note: str
    at_us: int
    resource: str
    what: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether one reviewer may decide, and why not.

    Attributes:
        name: The reviewer.
        may: Whether they may decide now.
        why: Why not, one sentence of ours, safe to print; `""` when they may.
    """

    name: str
    may: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """A text that the agent wrote. Untrusted: it may be wrong, or written to persuade.

    Attributes:
        where: `goal`, or the path of the argument.
        text: As written.
    """

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Replay:
    """Everything a reviewer is shown about one ticket, in the order of showing.

    Attributes:
        sentence: What the agent wants, made from the plan; safe to print.
        planned: What a planned change of guarded data would do; None for anything else. Beside it `change` holds no
            more than the arguments.
        tripped: The rules that ask.
        change: What would change.
        chains: What led here: this run, then each resource in other runs.
        resources_hidden: Resources whose chains are not shown.
        past: Similar decisions, newest first.
        standings: Who may decide.
        words: The agent's own words.
        words_hidden: Texts of the agent that are not shown.
        ticket: The ticket itself.
        now_us: The store's clock.
        undo: The tool that takes the action back, None when there is none.
        writes: Whether it would write anything; of a read there is nothing to undo.
        genuine: Whether the ticket is what the journal says was asked; if not, somebody changed the store.
    """

    sentence: str
    planned: PlannedChange | None
    tripped: tuple[Tripped, ...]
    change: Change
    chains: tuple[Chain, ...]
    resources_hidden: int
    past: tuple[Past, ...]
    standings: tuple[Standing, ...]
    words: tuple[Words, ...]
    words_hidden: int
    ticket: Ticket
    now_us: int
    undo: str | None
    writes: bool
    genuine: bool

    @property
    def state(self) -> TicketState:
        """Where the ticket stands now: one whose time is over has expired, also before anybody wrote that down."""
        return state_of(self.ticket, self.now_us)


def replay(tx: Transaction, ticket: Ticket, policy: Policy) -> Replay:
    """Build what a reviewer is shown."""
    view = ticket.view
    args = mapping(view.get("args"))
    touches = touched(ticket, policy)
    change = planned(ticket, policy)
    words = tuple(_said(view, args) if touches else _words(view, args))
    resources = _resources(view)
    chains = [_run_chain(tx, ticket)]
    chains += [_resource_chain(tx, name, ticket, changes=bool(touches)) for name in resources[:RESOURCES_MAX]]
    undo = view.get("undo")
    return Replay(
        sentence(ticket, policy),
        change,
        tuple(_tripped(tx, ticket)),
        _change(view if change is None else {}, args, frozenset(word.where for word in words)),
        tuple(chain for chain in chains if chain.steps or chain.kind == "run"),
        max(len(resources) - RESOURCES_MAX, 0),
        tuple(islice(_past(tx, ticket, policy), PAST_MAX)),
        standings(tx, ticket, policy),
        words[:WORDS_MAX],
        max(len(words) - WORDS_MAX, 0),
        ticket,
        tx.now_us,
        undo if isinstance(undo, str) else None,
        _writes(view),
        genuine(tx, ticket),
    )


def _writes(view: Mapping[str, Json]) -> bool:
    """Return whether the plan does anything but read; one whose effects are not known does."""
    verbs = [text(effect.get("verb")) for effect in listed(view.get("effects")) if isinstance(effect, dict)]
    return not verbs or any(verb != Verb.READ.value for verb in verbs)


def state_of(ticket: Ticket, now_us: int) -> TicketState:
    """Return where a ticket stands, counting time that is over."""
    pending = ticket.state is TicketState.PENDING and now_us >= ticket.pending_until_us
    approved = ticket.state is TicketState.APPROVED and now_us >= ticket.valid_until_us
    return TicketState.EXPIRED if pending or approved else ticket.state


# --- rule and change --------------------------------------------------------------------------------------------------


def _tripped(tx: Transaction, ticket: Ticket) -> Iterator[Tripped]:
    for finding in listed(ticket.view.get("findings")):
        if isinstance(finding, dict):
            values = tuple((name, text(value)) for name, value in mapping(finding.get("values")).items())
            if finding.get("rule") == RETRIES_RULE:
                values += tuple(_failure(tx, ticket))
            yield Tripped(text(finding.get("gate")), text(finding.get("rule")), text(finding.get("why")), values)


def _failure(tx: Transaction, ticket: Ticket) -> Iterator[tuple[str, str]]:
    """Yield how the same action failed last: same agent, tool and arguments, in whatever run."""
    args = ticket.view.get("args")
    for row in tx.records(Query(agent=ticket.agent, tool=ticket.tool, kinds=_LIVED, newest_first=True, limit=READ_MAX)):
        record = row.record
        if record.kind is not RecordKind.OUTCOME or record.status == Status.SUCCESS or row.at_us > ticket.asked_us:
            continue
        tried = tx.records(Query(action=record.action, kinds=(RecordKind.ATTEMPT,), limit=1))
        if any(attempt.record.body.get("args") != args for attempt in tried):
            continue
        yield (
            "last failure",
            " ".join(part for part in (record.status, f"({record.reason})" * bool(record.reason)) if part),
        )
        if record.body.get("why"):
            yield "it said", text(record.body["why"])
        for violation in listed(record.body.get("violations"))[:VIOLATIONS_MAX]:
            if isinstance(violation, dict):
                place = "/".join(text(violation.get(name)) for name in ("check", "path") if violation.get(name))
                yield place or "violation", text(violation.get("why"))
        return


def _shown(values: Mapping[str, Json]) -> dict[str, str]:
    """Return every leaf by its path, for reading: what kind of value it is does not show in the path."""
    return {path.removesuffix("#"): value for path, value in flatten(values).items()}


def _change(view: Mapping[str, Json], args: Mapping[str, Json], quoted: frozenset[str]) -> Change:
    """Lay the before-image beside the arguments, where both speak of the same fields."""
    before, after = _shown(mapping(view.get("before"))), _shown(args)
    verbs = {text(e.get("verb")) for e in listed(view.get("effects")) if isinstance(e, dict)}
    if before and Verb.DELETE.value in verbs:
        gone = [FieldChange(path, value, None, True) for path, value in before.items()]
        return Change(True, tuple(gone[:FIELDS_MAX]), max(len(gone) - FIELDS_MAX, 0))
    shared = before.keys() & after.keys()
    leaves = flatten(args)
    nulls = {path for path in shared if before[path] != after[path] and leaves.get(f"{path}#") == "null"}
    fields = [
        FieldChange(
            path,
            before.get(path),
            value,
            before.get(path) != value and path not in nulls,
            _holds_words(path, quoted),
            path in nulls,
        )
        for path, value in after.items()
    ]
    if shared:
        fields.sort(key=lambda field: not (field.changed or field.null))  # what is hidden below does not differ
    untouched = len(before.keys() - after.keys()) if shared else 0
    seen = sorted(fields[:FIELDS_MAX], key=lambda field: (field.null, not field.changed)) if shared else fields
    return Change(bool(shared), tuple(seen[:FIELDS_MAX]), max(len(fields) - FIELDS_MAX, 0), untouched)


def _holds_words(path: str, words: frozenset[str]) -> bool:
    """Return whether a field is one of the agent's texts, or a list that holds one."""
    return f"args.{path}" in words or any(where.startswith(f"args.{path}[") for where in words)


# --- chains -----------------------------------------------------------------------------------------------------------


def _resources(view: Mapping[str, Json]) -> list[str]:
    names: dict[str, None] = {}
    for effect in listed(view.get("effects")):
        if isinstance(effect, dict):
            for name in (text(effect.get("resource")), text(effect.get("to"))):
                if name and not name.endswith("{?}"):
                    names[name] = None
    return list(names)


_LIVED = (RecordKind.ATTEMPT, RecordKind.OUTCOME)


def _run_chain(tx: Transaction, ticket: Ticket) -> Chain:
    rows = list(tx.records(Query(run=ticket.run, kinds=_LIVED, newest_first=True, limit=READ_MAX)))
    asked = [row.seq for row in rows if row.record.body.get("ticket") == ticket.id]
    first = min(asked, default=None)

    def led_here(row: Stored) -> bool:
        return row.at_us <= ticket.asked_us if first is None else row.seq <= first

    begun = {attempt_key(row.record) for row in rows if row.record.kind is RecordKind.ATTEMPT and led_here(row)}
    before = [
        row
        for row in rows  # an outcome belongs to its attempt, also when it came later
        if led_here(row) or (row.record.kind is RecordKind.OUTCOME and attempt_key(row.record) in begun)
    ]
    return _chain("run", ticket.run, before, ticket)


def _resource_chain(tx: Transaction, resource: str, ticket: Ticket, *, changes: bool) -> Chain:
    rows = list(tx.records(Query(resource=resource, kinds=_LIVED, newest_first=True, limit=READ_MAX)))
    found = {row.seq: row for row in rows}
    if changes:
        looked = {attempt_key(row.record) for row in rows if only_reads(row)}
        found = {row.seq: row for row in rows if attempt_key(row.record) not in looked}
        found |= _touching(tx, resource, ticket.tool)
        found = effective(found)
    newest_first = sorted(found.values(), key=lambda row: -row.seq)[:READ_MAX]
    return _chain("resource", resource, [row for row in newest_first if row.record.run != ticket.run], ticket)


def _touching(tx: Transaction, resource: str, tool: str) -> dict[int, Stored]:
    """Return the changes of the same place that touched a resource, what it stands in, or what stands in it.

    The journal finds a change by the first of its resources only, and one of many rows by their table.
    """
    found: dict[int, Stored] = {}
    place = tool.rpartition(".")[0]
    for name in dict.fromkeys((tool, f"{place}.{Act.APPLY}", f"{place}.{Act.UNDO}")):
        rows = list(tx.records(Query(tool=name, kinds=_LIVED, newest_first=True, limit=READ_MAX)))
        tried = [row for row in rows if row.record.kind is RecordKind.ATTEMPT]
        here = {attempt_key(row.record) for row in tried if _is_about(row.record, resource)}
        found |= {row.seq: row for row in rows if attempt_key(row.record) in here}
    return found


def _is_about(record: Record, resource: str) -> bool:
    for effect in objects(record.body.get("effects")):
        names = [name for name in (text(effect.get("resource")), text(effect.get("to"))) if name]
        near = any(f"{name}/".startswith(f"{resource}/") or resource.startswith(f"{name}/") for name in names)
        if near and effect.get("verb") != Verb.READ.value:
            return True
    return False


def _chain(kind: str, name: str, newest_first: list[Stored], ticket: Ticket) -> Chain:
    steps = tuple(steps_of(reversed(newest_first), ticket.id))
    hidden = max(len(steps) - STEPS_MAX, 0)
    return Chain(kind, name, steps[hidden:], hidden, len(newest_first) >= READ_MAX)


def steps_of(rows: Iterable[Stored], ticket: str = "") -> list[Step]:
    """Join attempts with their outcomes.

    Args:
        rows: Attempts and outcomes, oldest first.
        ticket: Ticket whose own attempts are marked.
    """
    steps: list[Step] = []
    open_at: dict[tuple[str, str], int] = {}
    for row in rows:
        record = row.record
        key = attempt_key(record)
        if record.kind is RecordKind.OUTCOME and key in open_at:
            index = open_at.pop(key)
            begun = steps[index]
            steps[index] = replace(
                begun, status=record.status, reason=record.reason, why=text(record.body.get("why")),
                effects=begun.effects or effects_of(record),
            )  # fmt: skip
            continue
        if record.kind is RecordKind.ATTEMPT and not record.status:
            open_at[key] = len(steps)
        steps.append(_step(row, ticket))
    return steps


def _step(row: Stored, ticket: str) -> Step:
    record, body = row.record, row.record.body
    held = text(body.get("ticket"))
    why = text(body.get("why")) or " ".join(
        text(finding.get("why")) for finding in listed(body.get("findings")) if isinstance(finding, dict)
    )
    return Step(
        row.at_us,
        record.run,
        record.agent,
        record.action,
        record.tool,
        effects_of(record),
        record.status or BEGUN,
        record.reason,
        held,
        why if record.status not in ("", Status.SUCCESS) else "",
        bool(body.get("parent")),
        bool(ticket) and held == ticket,
    )


def effects_of(record: Record) -> tuple[str, ...]:
    """Return what a row says the action does, `verb resource` each; raw."""
    found = []
    for effect in listed(record.body.get("effects"))[:EFFECTS_MAX]:
        if isinstance(effect, dict):
            words = [text(effect.get("verb")), text(effect.get("resource"))]
            words += ["to", text(effect["to"])] if effect.get("to") else []
            words += [f"({text(effect['zone'])})"] if effect.get("zone") else []
            found.append(" ".join(word for word in words if word))
    return tuple(found) or ((record.resource,) if record.resource else ())


# --- people -----------------------------------------------------------------------------------------------------------


def _past(tx: Transaction, ticket: Ticket, policy: Policy) -> list[Past]:
    """Return decided tickets of the same agent and tool, newest first; of changes, those of the same tables first.

    Of a ticket that is decided itself, or has expired: those that were decided before that.
    """
    places = {touch.place for touch in touched(ticket, policy)}
    before_us = ticket.decided_us or ticket.pending_until_us
    found: list[tuple[bool, Past]] = []
    for other in tx.tickets():
        if other.id == ticket.id or not other.by or other.agent != ticket.agent or other.tool != ticket.tool:
            continue
        if other.decided_us > before_us:
            continue
        resource = text(other.view.get("resource"))
        approved = other.state is not TicketState.DENIED
        what = wish(other, policy) if (touches := touched(other, policy)) else ""
        elsewhere = places.isdisjoint(touch.place for touch in touches)
        found.append((elsewhere, Past(other.id, approved, other.by, other.note, other.decided_us, resource, what)))
    return [past for _, past in sorted(found, key=lambda one: one[0])]


def standings(tx: Transaction, ticket: Ticket, policy: Policy) -> tuple[Standing, ...]:
    """Return for every reviewer of the policy whether they may decide this ticket."""
    enrolled = {person.name for person in tx.reviewers()}
    return tuple(_standing(name, ticket, policy, enrolled) for name in policy.reviewers)


def _standing(name: str, ticket: Ticket, policy: Policy, enrolled: set[str]) -> Standing:
    who = safe(name)
    if name in (ticket.agent, ticket.root):
        return Standing(name, False, f"{who} is the agent that asks.")
    if (ticket.four_eyes or policy.four_eyes) and name == ticket.owner:
        return Standing(name, False, f"{who} owns the agent, and four_eyes asks for somebody else.")
    if name not in enrolled:
        return Standing(name, False, f"{who} has no secret yet: handrail reviewer add {who}")
    return Standing(name, True)


def genuine(tx: Transaction, ticket: Ticket) -> bool:
    """Return whether the ticket shows what the journal says was asked; `review.decide` refuses one that does not."""
    asked = tx.records(Query(run=ticket.run, tool=ticket.tool, kinds=(RecordKind.REVIEW,), newest_first=True))
    for row in asked:
        body = row.record.body
        if body.get("ticket") == ticket.id and body.get("state") == TicketState.PENDING:
            return body.get("view") == digest(dict(ticket.view)) and body.get("digest") == ticket.digest
    return False


# --- the agent's own words --------------------------------------------------------------------------------------------


def _said(view: Mapping[str, Json], args: Mapping[str, Json]) -> Iterator[Words]:
    """Yield what the agent wrote about a change: its goal and its statement; the rest of the arguments is ours."""
    for where, value in (("goal", view.get("goal")), ("args.statement", args.get("statement"))):
        if isinstance(value, str) and value:
            yield Words(where, value)


def _words(view: Mapping[str, Json], args: Mapping[str, Json]) -> Iterator[Words]:
    goal = view.get("goal")
    if isinstance(goal, str) and goal:
        yield Words("goal", goal)
    for path, value in _texts(args, "args"):
        if _is_prose(value):
            yield Words(path, value)


def _texts(value: Json | Mapping[str, Json], path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")


def _is_prose(said: str) -> bool:
    """Return whether a text says something, rather than naming something."""
    return len(said) > 60 or "\n" in said or len(said.split()) >= 3
