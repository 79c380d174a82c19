"""The life of an action, written once.

    propose -> admit -> plan -> approve -> execute -> verify -> settle

`life` is a generator: it yields commands and is sent their answers. It does no I/O, reads no clock and draws no
random number, so that blocking, async, replaying and crashing drivers all run this text. Failures are values here;
only the edge raises.

    Admit (first decision) -> Consult (before-image) -> Admit (the plan is known; the intent is on disk)
      Held  -> Await, then admit afresh; or end as human_review_required
      Ended -> refused, or the first terminal outcome again
      Go    -> Invoke -> contract, checks, read-back, after-image of what can be undone -> Settle
                 failed and repeatable: Roll, Sleep, admit the next attempt
                 retries used up: the next admission asks a person
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TypeAlias, TypeVar

from handrail.core.action import Action
from handrail.core.backoff import RETRIES_MAX
from handrail.core.commands import (
    Admit,
    Answer,
    Await,
    Command,
    Consult,
    Ended,
    Go,
    Held,
    Invoke,
    Proposal,
    Raised,
    Returned,
    Roll,
    Seen,
    Settle,
    Settled,
    Sleep,
    Unseen,
    failed,
)
from handrail.core.digest import Json
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.core.tool import EffectError, Paired, Tool

Life: TypeAlias = Generator[Command, Answer, Outcome]
T = TypeVar("T")


def life(proposal: Proposal) -> Life:
    """Run one action from proposal to its outcome.

    Returns:
        The outcome. `SUCCESS` only when the tool ran (now or before, for a repeated call) and everything that was
        declared about its result holds.
    """
    tool = proposal.tool
    wait_s = proposal.wait_s
    last: Go | None = None
    cause: Outcome | None = None
    perhaps = False  # whether an earlier attempt may have happened: no later failure shows that nothing did
    while True:
        admitted, before = yield from _admit(proposal, last, perhaps)
        if isinstance(admitted, Ended):
            return _caused(admitted.outcome, cause)
        if isinstance(admitted, Held):
            if wait_s <= 0:
                return _caused(admitted.outcome, cause)
            wait_s -= yield from _ask(float, Await(admitted.ticket.id, wait_s))
            continue
        perhaps = perhaps or admitted.taken_up
        settlement = yield from _execute(tool, admitted, before, perhaps)
        settled = yield settlement
        assert isinstance(settled, Settled)
        end = settled.outcome
        if settlement.outcome.status is not Status.RETRY:
            return end
        if settled.failures <= RETRIES_MAX:
            refused = yield from _pause(proposal, admitted, end, settled.failures - 1)
            if refused is not None:
                return refused
        elif admitted.observed:
            return end._replace(reason=Reason.RETRIES_EXHAUSTED)
        last, cause = admitted, end
        perhaps = settlement.returned or settlement.cut_off


def _caused(outcome: Outcome, cause: Outcome | None) -> Outcome:
    """Keep what the attempt before failed of, so that the caller sees why there was another."""
    if cause is None:
        return outcome
    return outcome._replace(error=outcome.error or cause.error, violations=outcome.violations or cause.violations)


def _admit(
    proposal: Proposal, last: Go | None, perhaps: bool
) -> Generator[Command, Answer, tuple[Go | Held | Ended, Json]]:
    """Decide; where the tool has a paired read, decide again once the plan is known."""
    tool = proposal.tool
    action = proposal.action if last is None else last.action
    attempt = 0 if last is None else last.attempt + 1
    ticket = None if last is None else last.ticket
    holds = () if last is None else last.holds
    before = proposal.before
    if tool is not None and tool.before is not None:
        first = yield from _ask_admit(Admit(action, attempt, False, None, proposal.invalid, ticket, holds))
        if not isinstance(first, Go):
            return first, None
        seen = yield from _consult(action, tool.before, "before", {"args": dict(action.args)})
        if isinstance(seen, Unseen):
            why = f"The plan could not be made, so nothing ran: {seen.why}"
            refusal = failed(action, attempt, Status.DENIED, Reason.PREVIEW, why)
            settled = yield from _ask(Settled, Settle(first, refusal, cut_off=perhaps))
            return Ended(settled.outcome), None
        before = seen.value
    admitted = yield Admit(action, attempt, True, before, proposal.invalid, ticket, holds)
    assert isinstance(admitted, (Go, Held, Ended))
    return admitted, before


def _execute(tool: Tool | None, go: Go, before: Json, perhaps: bool) -> Generator[Command, Answer, Settle]:
    """Run the tool and prove the result. A failure is never turned into a success here or anywhere."""
    action = go.action
    answer = yield Invoke(action, go.attempt)
    if isinstance(answer, Raised):
        return Settle(go, _raised(action, tool, go, answer, perhaps), cut_off=answer.cut_off or perhaps)
    assert isinstance(answer, Returned)
    violations = answer.violations
    after: Seen | None = None
    if tool is not None and not violations and not (tool.checks is None and tool.verify is None):
        violations, after = yield from _verify(action, tool, answer, before)
    if violations:
        return Settle(
            go, _invalid(action, tool, go, violations), answer.result, answer.opaque, answer.size,
            returned=True, cut_off=perhaps,
        )  # fmt: skip
    if tool is not None and tool.undo is not None and tool.before is not None and after is None:
        after = yield from _look_after(action, tool.before)
    end = Outcome(Status.SUCCESS, action=action.id, attempt=go.attempt, value=answer.value)
    return Settle(
        go, end, answer.result, answer.opaque, answer.size, returned=True, cut_off=perhaps, after=after
    )  # fmt: skip


def _look_after(action: Action, read: Paired) -> Generator[Command, Answer, Seen | None]:
    """Read what the action left, so that an undo can tell a later write. It counts whether or not this can be read."""
    seen = yield from _consult(action, read, "after", {"args": dict(action.args)})
    return seen if isinstance(seen, Seen) else None


def _verify(
    action: Action, tool: Tool, answer: Returned, before: Json
) -> Generator[Command, Answer, tuple[tuple[Violation, ...], Seen | None]]:
    """Check what the policy says of the result, then read it back where it says so; return what was read as well."""
    if tool.checks is not None:
        if answer.opaque:
            return (Violation("result", "", f"The result cannot be checked. {answer.opaque}"),), None
        violations = tool.checks(action.args, answer.result, answer.at_us)
        if violations:
            return violations, None
    if tool.verify is None:
        return (), None
    scope: dict[str, Json] = {"args": dict(action.args), "before": before, "result": answer.result}
    seen = yield from _consult(action, tool.verify, "verify", scope)
    if isinstance(seen, Unseen):
        return (Violation("read_back", "", f"The change could not be read back: {seen.why}"),), None
    assert tool.verify.expect is not None
    return tool.verify.expect({**scope, "seen": seen.value}), seen


def _consult(
    action: Action, paired: Paired, purpose: str, scope: Mapping[str, Json]
) -> Generator[Command, Answer, Seen | Unseen]:
    """Make one of Handrail's own calls, unless its arguments cannot be told."""
    try:
        paired.args(scope)
    except EffectError as error:
        return Unseen(str(error))
    answer = yield Consult(action, paired, purpose, scope)
    assert isinstance(answer, (Seen, Unseen))
    return answer


def _raised(action: Action, tool: Tool | None, go: Go, answer: Raised, perhaps: bool) -> Outcome:
    """Name a failure. Of a write that was cut off it is not known whether it happened: it stays in doubt."""
    repeat = tool is not None and tool.repeatable and not answer.final
    writes = not go.effects or any(effect.writes for effect in go.effects)
    if (answer.cut_off or (perhaps and answer.only_now)) and writes and not repeat:
        why = f"{answer.why} It may have happened: look, then run: handrail log resolve {action.id}"
        end = failed(action, go.attempt, Status.FAILED, Reason.IN_DOUBT, why)
    elif answer.stops:
        end = failed(action, go.attempt, Status.FAILED, Reason.CANCELLED, answer.why)
    else:
        end = failed(action, go.attempt, Status.RETRY if repeat else Status.FAILED, answer.reason, answer.why)
    return end._replace(error=answer.error, retry_after_s=answer.retry_after_s)


def _invalid(action: Action, tool: Tool | None, go: Go, violations: tuple[Violation, ...]) -> Outcome:
    repeat = tool is not None and tool.repeatable
    reason = Reason.READ_BACK if violations[0].check == "read_back" else Reason.CHECKS
    why = f"{action.tool} returned, but its result is not valid: {violations[0].why}"
    if len(violations) > 1:
        why += f" ({len(violations) - 1} more.)"
    end = failed(action, go.attempt, Status.RETRY if repeat else Status.FAILED_VALIDATION, reason, why)
    return end._replace(violations=violations)


def _pause(proposal: Proposal, go: Go, end: Outcome, retry: int) -> Generator[Command, Answer, Outcome | None]:
    """Wait before the next attempt; return an outcome when waiting is not possible."""
    tool = proposal.tool
    assert tool is not None
    roll = yield from _ask(float, Roll())
    slept = yield from _ask(bool, Sleep(tool.backoff.delay_s(max(retry, 0), roll, end.retry_after_s)))
    if slept:
        return None
    why = (
        f"{end.why} It was not repeated: waiting would block the running event loop. "
        "Declare the tool with `async def`, or call it from a thread."
    )
    refusal = end._replace(status=Status.FAILED, reason=Reason.WOULD_BLOCK, why=why)
    settled = yield from _ask(Settled, Settle(go, refusal))
    return settled.outcome


def _ask(kind: type[T], command: Command) -> Generator[Command, Answer, T]:
    answer = yield command
    assert isinstance(answer, kind)
    return answer


def _ask_admit(command: Admit) -> Generator[Command, Answer, Go | Held | Ended]:
    answer = yield command
    assert isinstance(answer, (Go, Held, Ended))
    return answer
