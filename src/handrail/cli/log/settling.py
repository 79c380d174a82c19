"""What resolving an action does to the store, in one transaction: an outcome row, its facts, the end of the call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from handrail.cli.log.finding import find_rows
from handrail.core.digest import Json, canonical
from handrail.core.effect import Effect
from handrail.core.facts import Call, CallState
from handrail.core.labels import happened
from handrail.core.outcome import Reason, Status
from handrail.core.policy import Policy
from handrail.core.record import Record, RecordKind, Stored
from handrail.core.store import Transaction
from handrail.core.text import safe
from handrail.errors import ReviewError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Word:
    """What a person says.

    Attributes:
        action: Id of the action.
        happened: Whether it took effect.
        by: The reviewer.
        note: How they know.
        key: The reviewer's key; the word is signed.
        creator: The label of who creates what the action created (`core.case.creator`).
        policy: The policy.
    """

    action: str
    happened: bool
    by: str
    note: str
    key: Ed25519PrivateKey
    creator: str
    policy: Policy


def check(tx: Transaction, action: str) -> tuple[list[Stored], Call | None]:
    """Return the action's rows, and its call while the store still has it.

    Raises:
        NotFoundError: There is no such action.
        ReviewError: How it ended is known, or it may still be running.
    """
    rows = find_rows(tx, action)
    attempts = [row for row in rows if row.record.kind is RecordKind.ATTEMPT]
    if not attempts:
        raise ReviewError(f"Action {safe(action)} was never attempted, so there is nothing to resolve.")
    running = next((call for call in tx.unsettled() if call.action == action), None)
    if running is not None:
        if running.alive:
            raise ReviewError(
                f"Action {safe(action)} is still running: the process that began it lives. Wait, or end it first."
            )
        return rows, running
    ended = [row.record for row in rows if row.record.kind is RecordKind.OUTCOME]
    if ended and ended[-1].reason == Reason.RESOURCE_UNKNOWN:
        record = attempts[-1].record
        call = record.body.get("call")
        return rows, tx.call(record.run, call) if isinstance(call, str) else None
    if ended:
        how = f"{ended[-1].status} ({ended[-1].reason})" if ended[-1].reason else ended[-1].status
        raise ReviewError(f"Action {safe(action)} is not in doubt: it ended as {safe(how)}. Nothing was changed.")
    raise ReviewError(f"Action {safe(action)} is not in doubt: it never began to run. Nothing was changed.")


def resolve_action(tx: Transaction, word: Word) -> None:
    """Write down what a person found. Raises as `check`."""
    rows, call = check(tx, word.action)
    intent = next(
        (row.record for row in reversed(rows) if row.record.kind is RecordKind.ATTEMPT and not row.record.status),
        rows[0].record,
    )
    if word.by == intent.agent:
        raise ReviewError(f"{safe(word.by)} is the agent itself; an agent never decides. Nothing was changed.")
    status = Status.SUCCESS if word.happened else Status.FAILED
    why = "A person found that it took effect." if word.happened else "A person found that it did not take effect."
    said: dict[str, Json] = {"action": word.action, "status": status.value, "by": word.by, "at_us": tx.now_us}
    body: dict[str, Json] = {
        "call": intent.body.get("call"),
        "attempt": intent.body.get("attempt"),
        "by": word.by,
        "note": word.note,
        "why": why,
        "resolved": said,
        "signature": word.key.sign(canonical(said)).hex(),
    }
    tx.append(
        Record(
            RecordKind.OUTCOME,
            word.action,
            intent.run,
            intent.agent,
            intent.tool,
            intent.resource,
            status,
            Reason.IN_DOUBT,
            body,
        )
    )
    if word.happened:
        effects = intent.body.get("effects")
        told = [Effect.from_told(one) for one in effects if isinstance(one, dict)] if isinstance(effects, list) else []
        happened(tx, word.policy, word.creator, tuple(effect for effect in told if effect is not None))
    if call is None:
        return
    if word.happened:
        tx.put_failures(call.key, 0)
        tx.put_call(
            call._replace(state=CallState.DONE, status=status.value, reason=Reason.IN_DOUBT.value, why=why, result=None)
        )
    else:
        tx.drop_call(call.run, call.call)
