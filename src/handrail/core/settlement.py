"""Settlement: record how an attempt ended, with everything that follows from it, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.backoff import RETRIES_MAX
from handrail.core.case import EXISTED, creator
from handrail.core.commands import Go, Settle, Settled
from handrail.core.digest import Json, compact, digest
from handrail.core.effect import Effect
from handrail.core.facts import Call, CallState
from handrail.core.labels import happened, leaves, perhaps
from handrail.core.note import Label, take_back, write
from handrail.core.observing import apart
from handrail.core.outcome import Outcome, Reason, Status
from handrail.core.policy import End, Mode, Policy
from handrail.core.record import Record, RecordKind
from handrail.core.store import Transaction
from handrail.core.tool import EffectError, Tool

KEPT_BYTES_MAX = 256 * 1024
"""Results up to this size are kept for a repeated call."""

SHOWN_BYTES_MAX = 4 * 1024
"""Results up to this size stand in the journal; of larger ones, their size."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned of a tool's results, to be stored with the outcome.

    Attributes:
        state: The new state as JSON text, None to leave it.
        events: Bodies of drift events that this result raised, each with its `sentence`.
    """

    state: str | None = None
    events: tuple[dict[str, Json], ...] = ()


NOTHING_LEARNED = Learned()


def settle(tx: Transaction, command: Settle, policy: Policy, learned: Learned = NOTHING_LEARNED) -> Settled:
    """Write the outcome, the facts that it changes, and what was learned."""
    go = command.go
    if policy.mode is Mode.OBSERVE:
        tx = apart(tx)
    tool = policy.tool(go.action.tool)
    outcome, effects = _bind(command, tool)
    failures = _count(tx, command, outcome)
    if outcome.status is Status.RETRY and failures > RETRIES_MAX:
        outcome = _exhausted(outcome)
    if outcome.status is not Status.SUCCESS or go.holds or leaves(policy, effects):
        _remember(tx, command, outcome, policy, effects)
    if tool is None or tool.watched:
        agent = policy.agent(go.action.agent)
        write(tx, policy.ended(End(go.action, agent, tool, effects, outcome.status, command.result, tx.now_us)))
    tx.append(_record(command, outcome, effects, tool))
    if go.tracked:
        _end_call(tx, command, outcome, tool)
    if learned.state is not None:
        tx.put_shape(go.action.tool, learned.state)
    for event in learned.events:
        tx.append(_drift(go, event))
    if not learned.events:
        return Settled(outcome, failures)
    return Settled(outcome, failures, tuple(str(event["sentence"]) for event in learned.events))


def _bind(command: Settle, tool: Tool | None) -> tuple[Outcome, tuple[Effect, ...]]:
    """Read from the result which resource an action made. What cannot be told is a person's to find out."""
    outcome, effects = command.outcome, command.go.effects
    if outcome.status is not Status.SUCCESS or tool is None or not _unbound(effects):
        return outcome, effects
    action = command.go.action
    try:
        return outcome, tool.effects.bind(effects, action.args, command.result)
    except EffectError as error:
        why = (
            f"{action.tool} ran, but the resource that it changed cannot be told from its result: {error} "
            f"Look it up, then run: handrail log resolve {action.id}"
        )
        status, reason = Status.HUMAN_REVIEW_REQUIRED, Reason.RESOURCE_UNKNOWN
        return outcome._replace(status=status, reason=reason, why=why), effects


def _exhausted(outcome: Outcome) -> Outcome:
    """Name an attempt that no retry follows by what it was; the next admission asks a person."""
    failed = Status.FAILED if outcome.reason is Reason.ERROR else Status.FAILED_VALIDATION
    return outcome._replace(status=failed)


def _unbound(effects: tuple[Effect, ...]) -> bool:
    for effect in effects:  # noqa: SIM110 (on the path of every call, where a generator costs more than the test)
        if not effect.bound:
            return True
    return False


_COUNTED = frozenset({Status.RETRY, Status.FAILED, Status.FAILED_VALIDATION})


def _count(tx: Transaction, command: Settle, outcome: Outcome) -> int:
    """Count failed attempts by action key, whatever call ids a model invents; a cancelled attempt was an attempt."""
    go = command.go
    if outcome.status is Status.SUCCESS:
        if go.failures:
            tx.put_failures(go.action.key, 0)
        return 0
    if not command.began or outcome.status not in _COUNTED or outcome.reason is Reason.WOULD_BLOCK:
        return go.failures
    return tx.add_failure(go.action.key)


def _remember(
    tx: Transaction, command: Settle, outcome: Outcome, policy: Policy, effects: tuple[Effect, ...]
) -> None:  # fmt: skip
    """Remember what an attempt did to its resources, or take back what was remembered ahead of one that did nothing."""
    go = command.go
    if outcome.status is Status.SUCCESS:
        take_back(tx, (held for held in go.holds if isinstance(held, Label) and held.label == EXISTED))
        happened(tx, policy, creator(go.action.run, policy.agent(go.action.agent), go.action.agent), effects)
    elif _nothing_happened(command, outcome):
        take_back(tx, go.holds)
    elif outcome.status is not Status.RETRY:
        perhaps(tx, policy, effects)


def _nothing_happened(command: Settle, outcome: Outcome) -> bool:
    """Return whether an action certainly did nothing, so that it used up nothing of any limit.

    What returned, was cut off, or may be tried again counts on: it happened, or may have.
    """
    if command.returned or command.cut_off:
        return False
    if not command.began:
        return True
    failed = outcome.status is Status.FAILED and outcome.reason in (Reason.ERROR, Reason.PREVIEW, Reason.STALE)
    return failed or outcome.status is Status.DENIED


def _drift(go: Go, event: dict[str, Json]) -> Record:
    action = go.action
    return Record(RecordKind.EVENT, action.id, action.run, action.agent, action.tool, reason="drift", body=event)


def _record(command: Settle, outcome: Outcome, effects: tuple[Effect, ...], tool: Tool | None) -> Record:
    action = command.go.action
    body: dict[str, Json] = {"call": action.call, "attempt": command.go.attempt}
    if outcome.why:
        body["why"] = outcome.why
    if outcome.violations:
        body["violations"] = [violation.to_json() for violation in outcome.violations[:20]]
    if command.opaque:
        body["opaque"] = command.opaque
    else:
        shown = _shown(command, tool)
        if command.size <= SHOWN_BYTES_MAX:
            body["result"] = shown
        else:
            body["result_bytes"] = command.size
    if command.after is not None:
        body["after"] = digest(command.after.value)
    if command.cut_off and outcome.status is not Status.SUCCESS:
        body["cut_off"] = True
    if action.parent is not None:
        body["parent"] = action.parent
    resource = effects[0].resource if effects and effects[0].bound else ""
    return Record(
        RecordKind.OUTCOME, action.id, action.run, action.agent, action.tool, resource,
        outcome.status, outcome.reason, body,
    )  # fmt: skip


def _shown(command: Settle, tool: Tool | None) -> Json:
    return tool.redact({"result": command.result})["result"] if tool is not None and tool.secrets else command.result


def _end_call(tx: Transaction, command: Settle, outcome: Outcome, tool: Tool | None) -> None:
    """End the call's row; of a call that nobody can repeat, nothing is kept."""
    go, action = command.go, command.go.action
    if outcome.reason in (Reason.RESOURCE_UNKNOWN, Reason.IN_DOUBT):
        tx.disown(
            action.run, action.call, action.id, go.attempt
        )  # it stays in doubt, so that the same action is not made again
        return
    call = Call(
        action.run, action.call, action.id, action.agent, action.tool, action.key,
        CallState.WAITING, go.attempt, ticket=go.ticket, durable=True,
    )  # fmt: skip
    if outcome.status is Status.RETRY:
        tx.put_call(call)
    elif not action.keep:
        tx.drop_call(action.run, action.call)
    else:
        hidden = tool is not None and tool.secrets and _shown(command, tool) != command.result
        lost = command.opaque or hidden or command.size > KEPT_BYTES_MAX
        kept = None if lost else compact(command.result)
        status, reason = outcome.status.value, outcome.reason.value
        tx.put_call(call._replace(state=CallState.DONE, status=status, reason=reason, why=outcome.why, result=kept))
