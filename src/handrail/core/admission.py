"""Admission: read the facts, decide, and record the attempt, in one transaction.

`admit` is a pure function of a transaction. It is where "the same call", "the same action" and "the same plan" mean
what DESIGN.md section 3 says, where an Ask finds its ticket or grant, and where a write's intent comes to stand on
disk before its effect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from handrail.core.action import Action
from handrail.core.case import Proposed, case_of, need_of
from handrail.core.commands import Admit, Admitted, Ended, Go, Held
from handrail.core.decision import Decision, Finding, Verdict, combine
from handrail.core.digest import Json
from handrail.core.digest import digest as digest_of
from handrail.core.facts import Call, CallState
from handrail.core.labels import ahead
from handrail.core.names import fold
from handrail.core.note import write
from handrail.core.observing import apart
from handrail.core.outcome import Outcome, Reason, Status
from handrail.core.plan import Plan
from handrail.core.policy import Case, Gate, Mode, Policy
from handrail.core.record import Record, RecordKind
from handrail.core.store import Denial, Transaction
from handrail.core.ticket import Grant, Reviewer, Ticket, TicketState

RETRIES_RULE = "retries"
"""The Ask rule of used-up retries; an approval of it gives one further attempt and is never shared between attempts."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What an admission decides with: policy, gates, and two things that the core may not do itself.

    Attributes:
        policy: The compiled policy.
        gates: The ordered list of gates. None at all denies.
        genuine: Whether a signature over bytes is the reviewer's.
        fresh: Draws new random text of at least 16 upper-case letters and digits.
    """

    policy: Policy
    gates: Sequence[Gate]
    genuine: Callable[[bytes, str, Reviewer], bool]
    fresh: Callable[[], str]


def admit(tx: Transaction, command: Admit, desk: Desk, proposed: Proposed) -> Admitted:
    """Decide about one attempt and record it.

    Args:
        tx: The transaction.
        command: What is proposed.
        desk: What to decide with.
        proposed: `propose(desk.policy, command.action)`.
    """
    action, policy = command.action, desk.policy
    if policy.mode is Mode.OBSERVE:
        tx = apart(tx)
    durable = proposed.writes
    repeated = action.keep or command.attempt > 0
    facts = tx.facts(need_of(policy, action, proposed, lambda: tx.now_us, repeated=repeated))
    attempt, ticket = command.attempt, command.ticket
    earlier = facts.call or facts.doubtful
    if facts.call is not None and command.attempt == 0:
        ended = _same_call(tx, action, facts.call)
        if ended is not None:
            return ended
    if earlier is not None:
        action = action._replace(id=earlier.action)
        command = command._replace(action=action)
        attempt = max(attempt, earlier.attempt + (earlier.state is not CallState.HELD))
        ticket = ticket or earlier.ticket
    case = case_of(policy, command, proposed, facts, attempt=attempt)
    decision = decide(desk.gates, case)
    if action.parent is not None and not durable:
        decision = _for_ourselves(decision)
    return _conclude(tx, desk, case, decision, ticket, durable)


def _for_ourselves(decision: Decision) -> Decision:
    """Our own reads ask nobody; once their retries are used up, they end."""
    kept = [f for f in decision.findings if f.verdict is Verdict.DENY]
    used_up = (replace(f, verdict=Verdict.DENY) for f in decision.findings if f.rule == RETRIES_RULE)
    return combine((*kept, *used_up))


def decide(gates: Sequence[Gate], case: Case) -> Decision:
    """Ask every gate; the most restrictive wins. No gates, or a gate that raises, denies."""
    if not gates:
        why = "No gate is installed, so nothing runs. Open Handrail with default_gates()."
        return combine((Finding("gates", "none", Verdict.DENY, why, reason=Reason.GATE_ERROR),))
    findings: list[Finding] = []
    for gate in gates:
        try:
            found = gate.judge(case)
            if found:
                findings += found
            elif found != ():
                raise TypeError("it gave no answer")
        except Exception as error:  # noqa: BLE001 (a gate is foreign code: whatever it raises denies)
            why = f"The gate '{gate.name}' failed ({type(error).__name__}: {error}), so nothing runs. Fix the gate."
            findings.append(Finding(gate.name, "error", Verdict.DENY, why, reason=Reason.GATE_ERROR))
    return combine(findings)


def _same_call(tx: Transaction, action: Action, call: Call) -> Ended | None:
    """Answer a repeated (run, call): the first terminal outcome, "in progress", or None to go on."""
    if call.key != action.key:
        why = (
            f"Call '{action.call}' of run '{action.run}' was already used with another tool or other arguments. "
            "Use a new call id."
        )
        return _refuse(tx, action, Status.DENIED, Reason.CALL_REUSED, why)
    if call.state is CallState.DONE:
        kept = call.result is not None
        value = json.loads(call.result) if call.result is not None else None
        outcome = Outcome(
            Status(call.status), Reason(call.reason), call.why, call.action, call.attempt,
            value=value, kept=kept, replayed=True,
        )  # fmt: skip
        return Ended(outcome)
    if call.state is CallState.RUNNING and call.alive:
        why = f"Call '{action.call}' of run '{action.run}' is still running. Wait for it to end."
        return _refuse(tx, action, Status.DENIED, Reason.IN_PROGRESS, why)
    return None


def _refuse(tx: Transaction, action: Action, status: Status, reason: Reason, why: str) -> Ended:
    """Record a refusal that leaves the call as it stands."""
    tx.append(
        Record(
            RecordKind.ATTEMPT,
            action.id,
            action.run,
            action.agent,
            action.tool,
            status=status,
            reason=reason,
            body={"call": action.call, "why": why},
        )
    )
    return Ended(Outcome(status, reason, why, action.id))


def _conclude(
    tx: Transaction, desk: Desk, case: Case, decision: Decision, ticket: str | None, durable: bool
) -> Admitted:
    if case.policy.mode is Mode.OBSERVE:
        return _observed(tx, case, decision, durable)
    if decision.verdict is Verdict.DENY:
        return _denied(tx, case, decision)
    if not case.planned:
        return Go(case.action, case.stated, case.attempt)
    if decision.verdict is Verdict.ASK:
        return _asked(tx, desk, case, decision, ticket, durable)
    return _go(tx, case, decision, durable, ticket=ticket)


PASSING = frozenset(
    {Reason.STOPPED, Reason.IN_DOUBT, Reason.GATE_ERROR, Reason.LIMIT, Reason.NOT_CLEARED, Reason.PRECONDITION}
)
"""Refusals that a person, time or another action lifts: the same call is decided afresh afterwards."""

HARD = frozenset({Reason.STOPPED, Reason.GATE_ERROR, Reason.ARGUMENTS, Reason.IN_DOUBT})
"""Denials that hold in observe mode too: an operator's stop, a broken gate, invalid arguments, an action in doubt."""


def _observed(tx: Transaction, case: Case, decision: Decision, durable: bool) -> Admitted:
    """Observe mode: everything runs, and what would have been decided is recorded."""
    hard = tuple(f for f in decision.findings if f.reason in HARD)
    if hard:
        return _denied(tx, case, combine(replace(f, verdict=Verdict.DENY) for f in hard))
    if not case.planned:
        return Go(case.action, case.stated, case.attempt, observed=True)
    if decision.verdict is Verdict.DENY:
        _remember(tx, case, decision)
    return _go(tx, case, decision, durable, observed=True)


def _body(case: Case, decision: Decision) -> dict[str, Json]:
    action, tool = case.action, case.tool
    scope: dict[str, Json] = {"args": dict(action.args)}
    if case.before is not None:
        scope["before"] = case.before
    body = dict(tool.redact(scope)) if tool is not None and tool.secrets else scope
    body["call"] = action.call
    body["attempt"] = case.attempt
    if case.effects:
        body["effects"] = _told(case)
    body["decision"] = decision.verdict
    if decision.findings:
        body["findings"] = [finding.to_json() for finding in decision.findings]
    if case.invalid:
        body["violations"] = [violation.to_json() for violation in case.invalid]
    if action.parent is not None:
        body["parent"] = action.parent
    return body


def _told(case: Case) -> list[Json]:
    """Return the effects as they are stated, each with the other zones that it touches."""
    if len(case.effects) == len(case.stated):
        return [effect.told() for effect in case.stated]
    told: list[Json] = []
    for effect in case.stated or case.effects:
        also: list[Json] = [
            view.zone
            for view in case.effects
            if (view.verb, view.resource, view.to) == (effect.verb, effect.resource, effect.to)
            and view.zone not in (None, effect.zone)
        ]
        told.append({**effect.told(), "stands_in": also} if also and case.stated else effect.told())
    return told


def _record(case: Case, body: dict[str, Json], status: str = "", reason: str = "") -> Record:
    action = case.action
    resource = case.effects[0].resource if case.effects and case.effects[0].bound else ""
    return Record(RecordKind.ATTEMPT, action.id, action.run, action.agent, action.tool, resource, status, reason, body)


def _row(case: Case, state: CallState) -> Call:
    action = case.action
    return Call(
        action.run, action.call, action.id, action.agent, action.tool, action.key, state, case.attempt
    )  # fmt: skip


def _go(
    tx: Transaction,
    case: Case,
    decision: Decision,
    durable: bool,
    *,
    observed: bool = False,
    ticket: str | None = None,
    by: str = "",
) -> Go:
    """Write the intent: from here on, a crash leaves an action in doubt, never a hole."""
    body = _body(case, decision)
    if observed and decision.verdict is not Verdict.ALLOW:
        body["decision"], body["would"] = Verdict.ALLOW.value, decision.verdict.value
    if by:
        body["decision"], body["approved"] = Verdict.ALLOW.value, by
    tx.append(_record(case, body))
    doubtful = case.facts.doubtful
    if doubtful is not None:
        why = f"Call '{doubtful.call}' was taken up again as call '{case.action.call}' of run '{case.action.run}'."
        status, reason = Status.DENIED.value, Reason.IN_DOUBT.value
        tx.put_call(doubtful._replace(state=CallState.DONE, status=status, reason=reason, why=why, ticket=None))
    tracked = durable or case.action.keep
    if tracked:
        tx.put_call(_row(case, CallState.RUNNING)._replace(ticket=ticket, durable=durable))
    holds = case.holds
    if not case.again:
        if case.tool is None or case.tool.watched:
            holds = write(tx, case.policy.started(case))
        if durable:
            holds += ahead(tx, case)
    earlier = case.facts.call or doubtful
    taken_up = not case.again and earlier is not None and earlier.state is not CallState.HELD
    return Go(
        case.action, case.stated, case.attempt, observed, tracked, ticket, case.facts.recent_failures, holds, taken_up
    )  # fmt: skip


def _denied(tx: Transaction, case: Case, decision: Decision) -> Ended:
    first = decision.decisive[0]
    reason = Reason(first.reason) if first.reason else Reason.RULE
    status = Status.DENIED
    if reason is Reason.STOPPED:
        status = Status.KILLED
    elif reason is Reason.ARGUMENTS:
        status = Status.FAILED_VALIDATION
    elif reason is Reason.IN_DOUBT:
        status = Status.HUMAN_REVIEW_REQUIRED
    tx.append(_record(case, _body(case, decision), status, reason))
    if case.action.keep and reason not in PASSING and not case.facts.doubtful:
        row = _row(case, CallState.DONE)
        tx.put_call(row._replace(status=status.value, reason=reason.value, why=decision.why))
    _remember(tx, case, decision)
    outcome = Outcome(status, reason, decision.why, case.action.id, case.attempt, violations=case.invalid)
    return Ended(outcome)


def _remember(tx: Transaction, case: Case, decision: Decision) -> None:
    """Remember a refusal: on the resources that it speaks of, and wherever a pattern counts refusals."""
    write(tx, case.policy.denied(case))
    rule = next((f.rule for f in decision.decisive if f.sticky), None)
    if case.agent is None or rule is None:
        return
    for effect in case.stated:
        for name in (effect.resource if effect.bound else "", effect.to):
            if effect.writes and name:
                tx.put_denial(Denial(name, case.agent.root, effect.verb.value, rule, tx.now_us))


def _asked(tx: Transaction, desk: Desk, case: Case, decision: Decision, spent: str | None, durable: bool) -> Admitted:
    """Find the answer to the rules that ask: this call's own ticket, an approval of this very plan, a grant; or ask."""
    rules = frozenset(f.rule for f in decision.decisive)
    action = case.action
    plan = Plan(action.agent, action.tool, action.args, case.effects, case.before, desk.policy.hash)
    digest = plan.digest
    own = tx.ticket(spent) if spent is not None and RETRIES_RULE not in rules else None
    if own is not None and _still_ours(tx, desk, own, action, digest, rules):
        return _go(tx, case, decision, durable, ticket=own.id, by=own.by)
    refusal: Ticket | None = None
    for ticket in tx.tickets(digest=digest, states=_OPEN):
        if ticket.digest != digest or ticket.agent != action.agent:
            continue
        current = _lapse(tx, ticket)
        if current.state is TicketState.APPROVED and current.answers(rules) and _may_decide(tx, desk, current):
            _move(tx, replace(current, state=TicketState.SPENT, action=case.action.id))
            return _go(tx, case, decision, durable, ticket=current.id, by=current.by)
        if current.state is TicketState.PENDING and current.answers(rules):
            return _hold(tx, case, decision, current, opened=False)
        if current.state is TicketState.DENIED and tx.now_us < current.decided_us + desk.policy.valid_us:
            refusal = refusal or current
    if refusal is not None:
        return _rejected(tx, case, decision, refusal)
    grant = _grant(tx, desk, case, rules)
    if grant is not None:
        tx.put_grant(replace(grant, uses=grant.uses + 1))
        return _go(tx, case, decision, durable, by=f"{grant.by} (grant {grant.id})")
    return _hold(tx, case, decision, _open(tx, desk, case, decision, digest), opened=True)


def _still_ours(
    tx: Transaction, desk: Desk, ticket: Ticket, action: Action, digest: str, rules: frozenset[str]
) -> bool:
    """Return whether the ticket that this action spent still answers: same plan, in time, by a reviewer of today."""
    same = ticket.action == action.id and ticket.digest == digest and ticket.answers(rules)
    return same and tx.now_us < ticket.valid_until_us and _may_decide(tx, desk, ticket)


_OPEN = (TicketState.PENDING, TicketState.APPROVED, TicketState.DENIED)


def barred(policy: Policy, ticket: Ticket, name: str) -> str:
    """Return why this person may not decide this ticket, `""` when they may; spelling does not matter.

    What counts is what the policy says now, and also what the ticket says: somebody may have edited either.
    """
    lineage = {ticket.agent, ticket.root}
    owners = {ticket.owner}
    for member in (policy.agent(ticket.agent), policy.agent(ticket.root)):
        if member is not None:
            lineage.update(member.lineage)
    for relative in tuple(lineage):
        known = policy.agent(relative)
        if known is not None:
            owners.add(known.owner)
    if fold(name) in {fold(one) for one in lineage}:
        return f"{name} is the agent that asks; an agent never decides."
    if (ticket.four_eyes or policy.four_eyes) and fold(name) in {fold(one) for one in owners if one}:
        return f"{name} owns agent '{ticket.agent}', and four_eyes asks for somebody else."
    return ""


def _may_decide(tx: Transaction, desk: Desk, ticket: Ticket) -> bool:
    """Return whether the approval is a declared reviewer's own, and that reviewer was allowed to give it."""
    if barred(desk.policy, ticket, ticket.by) or ticket.by not in desk.policy.reviewers:
        return False
    return any(r.name == ticket.by and desk.genuine(ticket.signed(), ticket.signature, r) for r in tx.reviewers())


def _grant(tx: Transaction, desk: Desk, case: Case, rules: frozenset[str]) -> Grant | None:
    """Return a grant that answers; never for what cannot be undone."""
    action = case.action
    if case.tool is None or case.tool.undo is None or RETRIES_RULE in rules:
        return None
    people = {r.name: r for r in tx.reviewers()}
    for grant in tx.grants(action.agent, action.tool):
        if not grant.covers(action.args, rules, desk.policy.hash, tx.now_us):
            continue
        person = people.get(grant.by)
        if person and grant.by in desk.policy.reviewers and desk.genuine(grant.signed(), grant.signature, person):
            return grant
    return None


def _lapse(tx: Transaction, ticket: Ticket) -> Ticket:
    """Expire a ticket whose time is over."""
    over = (ticket.state is TicketState.PENDING and tx.now_us >= ticket.pending_until_us) or (
        ticket.state is TicketState.APPROVED and tx.now_us >= ticket.valid_until_us
    )
    if not over:
        return ticket
    expired = replace(ticket, state=TicketState.EXPIRED)
    _move(tx, expired)
    return expired


def _move(tx: Transaction, ticket: Ticket) -> None:
    tx.put_ticket(ticket)
    tx.append(review_record(ticket))


def review_record(ticket: Ticket) -> Record:
    """Return the journal row of a ticket's new state."""
    body: dict[str, Json] = {
        "ticket": ticket.id, "state": ticket.state.value, "rules": list(ticket.rules), "digest": ticket.digest,
        "by": ticket.by, "note": ticket.note, "view": digest_of(dict(ticket.view)),
        "until_us": ticket.pending_until_us, "owner": ticket.owner, "four_eyes": ticket.four_eyes,
    }  # fmt: skip
    resource = ticket.view.get("resource")
    return Record(
        RecordKind.REVIEW, ticket.action, ticket.run, ticket.agent, ticket.tool,
        resource if isinstance(resource, str) else "", reason=ticket.state.value, body=body,
    )  # fmt: skip


def _open(tx: Transaction, desk: Desk, case: Case, decision: Decision, digest: str) -> Ticket:
    """Open a ticket; older ones of the same action that were bound to another plan go stale."""
    action, policy = case.action, desk.policy
    replaced: list[Json] = []
    for old in tx.tickets(key=action.key, states=(TicketState.PENDING, TicketState.APPROVED)):
        if old.digest != digest:
            _move(tx, replace(old, state=TicketState.STALE))
            replaced.append(old.id)
    agent = case.agent
    view = _body(case, decision)
    view["resource"] = case.effects[0].resource if case.effects else ""
    view["undo"] = case.tool.undo.call if case.tool is not None and case.tool.undo is not None else None
    if replaced:
        view["replaces"] = replaced
    ticket = Ticket(
        id=f"T-{desk.fresh()[:8]}",
        nonce=desk.fresh(),
        digest=digest,
        key=action.key,
        agent=action.agent,
        root=agent.root if agent is not None else action.agent,
        owner=agent.owner if agent is not None else None,
        four_eyes=policy.four_eyes,
        run=action.run,
        tool=action.tool,
        rules=tuple(dict.fromkeys(f.rule for f in decision.decisive)),
        view=view,
        state=TicketState.PENDING,
        asked_us=tx.now_us,
        pending_until_us=tx.now_us + policy.pending_us,
    )
    tx.put_ticket(ticket)
    tx.append(review_record(ticket))
    return ticket


def _hold(tx: Transaction, case: Case, decision: Decision, ticket: Ticket, *, opened: bool) -> Held:
    first = decision.decisive[0]
    reason = Reason(first.reason) if first.reason else Reason.RULE
    why = (
        f"{decision.why} A person has to approve this: ticket {ticket.id}. It did not run. "
        "After approval, make the same call again with the same arguments; it then runs once."
    )
    body = _body(case, decision)
    body["ticket"] = ticket.id
    if any(finding.rule == RETRIES_RULE for finding in decision.decisive):
        tx.put_failures(case.action.key, case.facts.failures)  # an attempt, though held: the window goes on from here
    tx.append(_record(case, body, Status.HUMAN_REVIEW_REQUIRED, reason))
    if case.action.keep:
        tx.put_call(_row(case, CallState.HELD))
    outcome = Outcome(Status.HUMAN_REVIEW_REQUIRED, reason, why, case.action.id, case.attempt, ticket.id)
    return Held(ticket, outcome, opened)


def _rejected(tx: Transaction, case: Case, decision: Decision, ticket: Ticket) -> Ended:
    note = f' and wrote: "{ticket.note}".' if ticket.note else "."
    why = (
        f"{ticket.by} refused exactly this action (ticket {ticket.id}){note} It was not done. "
        "Do something else, or ask a person to clear the resource."
    )
    body = _body(case, decision)
    body["ticket"], body["why"] = ticket.id, why
    tx.append(_record(case, body, Status.DENIED, Reason.REJECTED))
    write(tx, case.policy.denied(case))
    return Ended(Outcome(Status.DENIED, Reason.REJECTED, why, case.action.id, case.attempt, ticket.id))
