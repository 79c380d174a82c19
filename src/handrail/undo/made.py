"""What was done, as the journal tells it: every action that changed something, or may have, and what undo needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from handrail.core.digest import Json
from handrail.core.effect import Verb
from handrail.core.outcome import Reason, Status
from handrail.core.record import Record, RecordKind, Stored
from handrail.core.store import Query, Transaction
from handrail.core.text import safe
from handrail.data.acting import Recorded
from handrail.errors import HandrailError, NotFoundError
from handrail.policy.guarded import Act

ROWS_MAX = 500_000
"""Journal rows of one run that are looked at."""

PAGE = 1_000

RECENT_MAX = 20_000
"""Journal rows that are looked through for what somebody names by a digest, or by how an id begins."""

_LIVED = (RecordKind.ATTEMPT, RecordKind.OUTCOME)


class Reached(StrEnum):
    """How far an action came."""

    DONE = "done"
    RUNNING = "running"
    MAYBE = "maybe"  # in doubt; a person can resolve it
    UNCLEAR = "unclear"  # it ended in a way that leaves open what it did
    NOTHING = "nothing"  # it failed, and certainly did nothing


@dataclass(frozen=True, slots=True)
class Made:
    """One action that changed something, or may have.

    Attributes:
        action: Its id.
        at_us: When it was let run.
        agent: Name of the agent.
        run: Run id.
        tool: Name of the tool.
        effects: What it does, `verb resource` each; raw.
        resources: Ids of what it changes; raw.
        args: Its arguments, redacted.
        before: Its before-image, redacted; None without one. Of the first attempt that may have happened.
        again: What was there before its last attempt, redacted, where that is something else; None otherwise.
        result: Its result, redacted; None where it was not kept.
        after: Digest of what its paired read gave right after it, `""` where that is not known.
        reached: How far it came.
        why: Why it is not known what it did, `""` otherwise; raw.
        pruned: Whether retention removed what its undo would need.
        order: Its place in the journal.
    """

    action: str
    at_us: int
    agent: str
    run: str
    tool: str
    effects: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    args: Mapping[str, Json] | None = None
    before: Json = None
    again: Json = None
    result: Json = None
    after: str = ""
    reached: Reached = Reached.DONE
    why: str = ""
    pruned: bool = False
    order: int = 0

    @property
    def change(self) -> str:
        """Digest of the planned change that it applied, `""` for any other action."""
        change = (self.args or {}).get("change")
        return change if isinstance(change, str) and "touches" in (self.args or {}) else ""

    @property
    def undoes(self) -> str:
        """Digest of the planned change that it took back, `""` for any other action."""
        undoes = (self.args or {}).get("undoes")
        return undoes if isinstance(undoes, str) and self.change else ""


def made_in_run(tx: Transaction, run: str) -> list[Made]:
    """Return what a run did, newest first.

    Raises:
        NotFoundError: The journal knows no such run.
        HandrailError: It knows more of it than is looked at.
    """
    known = False

    def rows() -> Iterator[Stored]:
        nonlocal known
        for row in _rows(tx, Query(run=run, kinds=_LIVED, limit=PAGE)):
            known = True
            yield row

    made = _made(tx, rows())
    if not known:
        raise NotFoundError(f"The journal knows no run {safe(run)}. List what there is: handrail log")
    return made


def made_by_action(tx: Transaction, action: str) -> Made | None:
    """Return what an action did, None when the journal does not know it or it changed nothing."""
    found = _made(tx, tx.records(Query(action=action, kinds=_LIVED, limit=PAGE))) if action else []
    return found[0] if found else None


def made_by_change(tx: Transaction, place: str, change: str, recorded: Recorded) -> Made:
    """Return a change that the history of a place knows, whoever applied it.

    Args:
        tx: The transaction; where the journal knows the action that made the change, it tells more.
        place: Name of the place.
        change: Its digest.
        recorded: What the place itself tells of it.
    """
    made = Made(
        "", recorded.at_us, "", "", f"{place}.{Act.APPLY}", recorded.effects, args={"change": change, "touches": []}
    )  # fmt: skip
    for act in (Act.APPLY, Act.UNDO):
        query = Query(tool=f"{place}.{act}", kinds=(RecordKind.ATTEMPT,), newest_first=True, limit=RECENT_MAX)
        for row in tx.records(query):
            if change_in(row.record) == change and not row.record.status and changes(row.record):
                known = made_by_action(tx, row.record.action)
                if known is not None and known.reached is Reached.DONE and known.undoes != change:
                    return replace(known, pruned=False, effects=known.effects or recorded.effects)
    return made


def change_in(record: Record) -> str:
    """Return the digest of the planned change that an intent is about, `""` for any other action."""
    args = record.body.get("args")
    change = args.get("change") if isinstance(args, dict) and "touches" in args else None
    return change if isinstance(change, str) else ""


def _rows(tx: Transaction, query: Query) -> Iterator[Stored]:
    count = 0
    while True:
        page = list(tx.records(query))
        yield from page
        count += len(page)
        if len(page) < query.limit:
            return
        if count >= ROWS_MAX:
            raise HandrailError(
                f"The run has more than {ROWS_MAX:,} rows in the journal, and nothing was undone. Undo its actions by "
                "id: handrail undo ACTION"
            )
        query = replace(query, after_seq=page[-1].seq)


def _made(tx: Transaction, rows: Iterable[Stored]) -> list[Made]:
    """Join intents with their outcomes, by action: of several attempts the last one counts."""
    begun: dict[str, Made] = {}
    for row in rows:
        record = row.record
        if record.kind is RecordKind.ATTEMPT and not record.status:
            if changes(record):
                begun[record.action] = _begun(row, begun.get(record.action))
        elif record.kind is RecordKind.OUTCOME and record.action in begun:
            begun[record.action] = _ended(begun[record.action], row)
    made = [one for one in begun.values() if one.reached is not Reached.NOTHING]
    if any(one.reached is Reached.MAYBE for one in made):
        running = {call.action for call in tx.unsettled() if call.alive}
        made = [_running(one) if one.action in running else one for one in made]
    return sorted(made, key=lambda one: one.order, reverse=True)


def changes(record: Record) -> bool:
    """Return whether an intent is one of changing something, and no read of Handrail's own; what is unknown may be."""
    if record.body.get("parent"):
        return False
    effects = record.body.get("effects")
    if not isinstance(effects, list) or not effects:
        return True
    return any(not isinstance(effect, dict) or effect.get("verb") != Verb.READ for effect in effects)


def _running(made: Made) -> Made:
    return replace(made, reached=Reached.RUNNING, why="It is still running.")


_NOBODY_KNOWS = "It was begun, and how it ended is not known."


def _begun(row: Stored, earlier: Made | None) -> Made:
    record, body = row.record, row.record.body
    args, before, again = body.get("args"), body.get("before"), None
    if earlier is not None and earlier.reached is not Reached.NOTHING and earlier.before != before:
        before, again = earlier.before, before
    effects = list(_told(body))
    return Made(
        record.action, row.at_us, record.agent, record.run, record.tool,
        tuple(" ".join(filter(None, (verb, resource, "to" if to else "", to))) for verb, resource, to in effects),
        tuple(name for verb, resource, to in effects if verb != Verb.READ for name in (resource, to) if name),
        args if isinstance(args, dict) else None, before, again,
        reached=Reached.MAYBE, why=_NOBODY_KNOWS, pruned=row.pruned, order=row.seq,
    )  # fmt: skip


def _ended(made: Made, row: Stored) -> Made:
    body = row.record.body
    after, why, far = body.get("after"), body.get("why"), reached(row.record)
    if far in (Reached.MAYBE, Reached.UNCLEAR):
        return replace(made, reached=far, why=(why if isinstance(why, str) else "") or _NOBODY_KNOWS)
    return replace(
        made,
        result=body.get("result"),
        after=after if isinstance(after, str) else "",
        reached=far,
        why="",
        pruned=made.pruned or row.pruned,
    )


_CLEAR = frozenset({Reason.CANCELLED, Reason.ERROR, Reason.PREVIEW, Reason.STALE})
_RESOLVABLE = frozenset({Reason.IN_DOUBT, Reason.RESOURCE_UNKNOWN})


def reached(outcome: Record) -> Reached:
    """Return how far an attempt came: what failed clearly did nothing, as a settlement sees it or a person found."""
    if outcome.status == Status.SUCCESS:
        return Reached.DONE
    if outcome.status == Status.FAILED and outcome.body.get("resolved"):
        return Reached.NOTHING
    if outcome.reason in _RESOLVABLE:
        return Reached.MAYBE
    failed = outcome.status in (Status.DENIED, Status.FAILED, Status.RETRY)
    clear = outcome.status == Status.DENIED or outcome.reason in _CLEAR
    return Reached.NOTHING if failed and clear and not outcome.body.get("cut_off") else Reached.UNCLEAR


def _told(body: Mapping[str, Json]) -> Iterator[tuple[str, str, str]]:
    """Yield verb, resource and target of each effect."""
    effects = body.get("effects")
    for effect in effects if isinstance(effects, list) else []:
        if isinstance(effect, dict):
            yield str(effect.get("verb") or ""), str(effect.get("resource") or ""), str(effect.get("to") or "")
