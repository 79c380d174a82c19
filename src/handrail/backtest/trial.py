"""The flow driven without a world: what an attempt would be decided as, and how what the trace tells would end it.

A further driver of `core.flow.life`. Nothing is called and nobody waits: a tool's answer is what the trace says, a
person's is said beforehand, and each attempt is one attempt, its retries being further lines.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from itertools import count
from typing import cast

from handrail.backtest.asks import Asks
from handrail.backtest.gates import trial_gates
from handrail.backtest.lineage import adopt
from handrail.backtest.store import KEPT_MAX, TrialStore
from handrail.backtest.times import START_US
from handrail.backtest.trace import Attempt
from handrail.core.action import Action, action_key
from handrail.core.admission import Desk, admit
from handrail.core.case import propose
from handrail.core.commands import (
    Admit,
    Admitted,
    Answer,
    Await,
    Command,
    Consult,
    Ended,
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
)
from handrail.core.decision import Verdict
from handrail.core.digest import Json
from handrail.core.flow import Life, life
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.core.policy import Mode
from handrail.core.record import Record
from handrail.core.settlement import settle
from handrail.core.store import Denial, Transaction
from handrail.core.text import safe
from handrail.core.ticket import Reviewer, TicketState
from handrail.core.tool import Tool
from handrail.policy.compiled import CompiledPolicy
from handrail.policy.problems import quoted
from handrail.policy.rules import GATE
from handrail.review.decide import written

REVIEWER = "the simulated reviewer"
"""Who decides tickets in a trial; no agent and no owner has this name."""

WAITING_MAX = 1_000
"""Failed calls whose next attempt is waited for; of an older one, a further attempt counts as a new life."""

REVIEWS_MAX = 3
"""Tickets that one attempt may have decided; a plan that goes on asking stays held."""


@dataclass(slots=True, eq=False)
class Course:
    """One attempt on its way.

    Attributes:
        attempt: What was attempted.
        key: The action key.
        flow: The life of the action.
        decision: `allow`, `ask` or `deny`; `""` before.
        rule: Id of the decisive rule, or the gate's name; None when allowed.
        why: Why it was decided so, and ended so; `""` where there is nothing to say.
        status: The tag that it ended with; `""` before.
        fired: Every rule and gate that objected.
        decisive: Those of them that carry the decision.
        ticket: The ticket that holds it, if any.
        began: What runs; None before and afterwards.
        notes: What could not be decided or done here.
        reviews: Tickets that were decided for it.
    """

    attempt: Attempt
    key: str
    flow: Life
    decision: str = ""
    rule: str | None = None
    why: str = ""
    status: str = ""
    fired: tuple[str, ...] = ()
    decisive: tuple[str, ...] = ()
    ticket: str | None = None
    began: Invoke | None = None
    notes: tuple[str, ...] = ()
    reviews: int = 0

    @property
    def in_flight(self) -> bool:
        """Whether it runs and has not ended."""
        return self.began is not None

    def to_json(self) -> dict[str, Json]:
        """Return the answer for machines."""
        return {
            "call": self.attempt.call,
            "decision": self.decision,
            "rule": self.rule,
            "why": self.why,
            "status": self.status,
        }


class Trial:
    """One policy, decided with from an empty memory on.

    Args:
        policy: The policy; it enforces here even where it says `observe`.
        asks: What becomes of actions that ask.

    Attributes:
        now_us: The clock, microseconds since the epoch, UTC.
        store: What is remembered.
    """

    def __init__(self, policy: CompiledPolicy, asks: Asks = Asks.APPROVED) -> None:
        document = replace(policy.document, mode=Mode.ENFORCE, reviewers=(*policy.reviewers, REVIEWER))
        self._policy = replace(policy, document=document)
        self._asks = asks
        self._gates = trial_gates()
        self._ids = count()
        self._tools: dict[str, Tool] = {}
        self._waiting: OrderedDict[tuple[str, str], tuple[Course, Settled]] = OrderedDict()
        self._families: dict[tuple[str, str], tuple[str, ...]] = {}
        self._rulings: OrderedDict[tuple[str, str], tuple[str, str | None]] = OrderedDict()
        self._blind = {name: _blind(policy, name) for name in policy.tools}
        self.now_us = START_US
        self.store = TrialStore(lambda: self.now_us, policy.valid_us)
        self.store.transact(lambda tx: tx.put_reviewer(Reviewer(REVIEWER, "", "")))
        self._desk = self._new_desk()

    def _new_desk(self) -> Desk:
        return Desk(self._policy, self._gates, lambda *_: True, self._fresh)

    def _fresh(self) -> str:
        number = next(self._ids)
        return f"{number:08d}{number:012d}"

    def advance(self, at_us: int) -> None:
        """Move the clock; it never goes back."""
        self.now_us = max(self.now_us, at_us)

    # --- one attempt --------------------------------------------------------------------------------------------------

    def begin(self, attempt: Attempt, *, held: bool = False) -> Course:
        """Decide about an attempt; afterwards it is in flight, or has ended.

        Args:
            attempt: What is attempted.
            held: Whether one that asks is left waiting; its ticket is decided with `decide`.
        """
        notes = () if attempt.parent is None else self._family(attempt.agent, attempt.parent)
        agent, run, call, name, args = attempt[:5]
        key = action_key(agent, name, args)
        earlier = self._waiting.pop((run, call), None)
        if earlier is not None:
            course, settled = earlier
            if course.key == key:
                return self._again(course, settled, attempt, notes)
            self._waiting[run, call] = earlier
        action = Action(f"a{next(self._ids)}", agent, run, call, name, args, key, keep=True)
        invalid: tuple[Violation, ...] = (Violation("arguments", "", attempt.invalid),) if attempt.invalid else ()
        if not invalid:
            invalid = self._policy.check_arguments(name, args)
        tool = self._tool(name)
        before = attempt.before if tool is not None and tool.asks is not None else None
        flow = life(Proposal(action, tool, invalid, 0.0 if held else 1.0, before))
        course = Course(attempt, key, flow, notes=notes)
        self._drive(course, next(course.flow))
        return course

    def _again(self, earlier: Course, settled: Settled, attempt: Attempt, notes: tuple[str, ...]) -> Course:
        """Go on with a life that may try again: a further line of the same call is its next attempt."""
        course = Course(attempt, earlier.key, earlier.flow, notes=notes)
        try:
            command = course.flow.send(settled)
        except StopIteration as stop:
            self._close(course, cast("Outcome", stop.value), ran=False)
            return course
        self._drive(course, command)
        return course

    def end(self, course: Course) -> None:
        """Settle an attempt that is in flight, as it is said to have ended."""
        assert course.began is not None
        course.began = None
        self.store.unknown = not course.attempt.known
        command = course.flow.send(self._answer(course.attempt))
        assert isinstance(command, Settle)
        settled = self._settle(command)
        if command.outcome.status is Status.RETRY:
            self._waiting[course.attempt.run, course.attempt.call] = course, settled
            if len(self._waiting) > WAITING_MAX:
                self._waiting.popitem(last=False)
        else:
            course.flow.close()
        self._close(course, settled.outcome, ran=True)

    def _drive(self, course: Course, command: Command) -> None:
        """Perform commands until the tool would run, or the flow has ended."""
        while not isinstance(command, Invoke):
            try:
                command = course.flow.send(self._perform(course, command))
            except StopIteration as stop:
                self._close(course, cast("Outcome", stop.value), ran=False)
                return
        course.began = command

    def _perform(self, course: Course, command: Command) -> Answer:
        match command:
            case Admit():
                return self._admit(course, command)
            case Await(ticket, wait_s):
                return self._review(course, ticket, wait_s)
            case Consult():
                return Seen(course.attempt.before)
            case Settle():
                return self._settle(command)
            case Roll():
                return 0.0
            case Sleep():
                return True
            case Invoke():
                raise AssertionError("what is invoked is in flight until its end is told")

    def _admit(self, course: Course, command: Admit) -> Admitted:
        desk, store = self._desk, self.store
        proposed = propose(desk.policy, command.action)
        store.attempt = None
        answer = store.transact(lambda tx: admit(tx, command, desk, proposed))
        if not course.decision:
            self._judge(course, store.attempt, answer)
        if isinstance(answer, Held):
            course.ticket = answer.ticket.id
        return answer

    def _settle(self, command: Settle) -> Settled:
        return self.store.transact(lambda tx: settle(tx, command, self._policy))

    def _answer(self, attempt: Attempt) -> Returned | Raised:
        if attempt.error is not None:
            text = safe(attempt.error, max_chars=500)
            return Raised(RuntimeError(text), f"'{safe(attempt.tool)}' failed: {text}")
        return Returned(attempt.result, attempt.result, self.now_us, attempt.opaque)

    def _tool(self, name: str) -> Tool | None:
        """Return a declaration without what cannot be done here: reads afterwards, and checks of an unknown result."""
        found = self._tools.get(name)
        if found is not None:
            return found
        tool = self._policy.tool(name)
        if tool is None:
            return None
        store, checks = self.store, tool.checks
        if checks is not None:
            tool = replace(tool, checks=lambda args, result, at: () if store.unknown else checks(args, result, at))
        self._tools[name] = replace(tool, verify=None, undo=None)
        return self._tools[name]

    def _family(self, agent: str, parent: str) -> tuple[str, ...]:
        """Have an agent work for the parent that the trace gives it, with what is remembered of it; return a note."""
        if (agent, parent) not in self._families:
            before = self._policy.agent(agent)
            self._policy, note = adopt(self._policy, agent, parent)
            self._desk = self._new_desk()
            after = self._policy.agent(agent)
            if before is not None and after is not None and before.root != after.root:
                self._bequeath(before.root, after.root)
            if len(self._families) >= KEPT_MAX:  # names that the policy does not know may go on for ever
                self._families.clear()
            self._families[agent, parent] = (note,) if note else ()
        return self._families[agent, parent]

    def _bequeath(self, old: str, new: str) -> None:
        """Have refusals of one lineage count for the other: it has become part of it."""
        every = [one for refusals in self.store.denials.values() for one in refusals.values()]

        def step(tx: Transaction) -> None:
            for denial in every:
                if denial.root == old:
                    tx.put_denial(replace(denial, root=new))

        self.store.transact(step)

    # --- people -------------------------------------------------------------------------------------------------------

    def _review(self, course: Course, ticket: str, wait_s: float) -> float:
        """Have the simulated reviewer decide; return the seconds that it took."""
        course.reviews += 1
        if course.reviews > REVIEWS_MAX:
            return wait_s
        self.decide(ticket, self._asks)
        return 0.0

    def decide(self, ticket: str, asks: Asks) -> None:
        """Decide a ticket that waits, as a person would; a refusal is remembered."""

        def step(tx: Transaction) -> None:
            found = tx.ticket(ticket)
            if found is None or found.state is not TicketState.PENDING:
                return
            now_us = tx.now_us
            if asks is Asks.APPROVED:
                until_us, state = now_us + self._policy.valid_us, TicketState.APPROVED
                tx.put_ticket(replace(found, by=REVIEWER, decided_us=now_us, state=state, valid_until_us=until_us))
                return
            tx.put_ticket(replace(found, by=REVIEWER, decided_us=now_us, state=TicketState.DENIED))
            for resource, verb in written(found):
                tx.put_denial(Denial(resource, found.root, verb, "review", now_us))

        self.store.transact(step)

    # --- what is said of it -------------------------------------------------------------------------------------------

    def _judge(self, course: Course, record: Record | None, answer: Admitted) -> None:
        """Note the decision, from what would stand in the journal; the first counts, an approval does not change it."""
        if record is None:
            if isinstance(answer, Ended):  # a repeat; what it is answered with was decided then
                place = (course.attempt.run, course.attempt.call)
                course.decision, course.rule = self._rulings.get(place, ("deny", answer.outcome.reason.value or None))
                course.why = (
                    f"The same call was made before; it is answered with its outcome. {answer.outcome.why}".strip()
                )
            return
        found = record.body.get("findings")
        if found is None and not record.status:
            course.decision = Verdict.ALLOW.value
            return
        findings = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        if not findings and record.status:
            course.decision, course.rule, course.why = "deny", str(record.reason), str(record.body.get("why", ""))
            return
        verdict = max((Verdict(str(one["verdict"])) for one in findings), key=_severity)
        decisive = [one for one in findings if one["verdict"] == verdict]
        course.decision = verdict.value
        course.fired = tuple(dict.fromkeys(_name(one) for one in findings))
        if decisive:
            course.rule = _name(decisive[0])
            course.why = " ".join(str(one["why"]) for one in decisive)
            course.decisive = tuple(dict.fromkeys(map(_name, decisive)))

    def _close(self, course: Course, outcome: Outcome, *, ran: bool) -> None:
        """Note how it ended, and what could not be told here."""
        course.status = outcome.status.value
        if not course.decision:
            course.decision, course.rule, course.why = Verdict.DENY.value, outcome.reason.value, outcome.why
        said = [course.why] if course.why else []
        if outcome.reason is Reason.REJECTED:
            said.append("A person refused it.")
        elif ran and outcome.reason is Reason.RESOURCE_UNKNOWN and not course.attempt.known:
            said.append("Which resource it changed stands in its result, which is not known here.")
        elif ran and outcome.why:
            said.append(outcome.why)
        said += self._unsure(course, outcome, ran=ran)
        course.why = " ".join((*said, *course.notes))
        if not outcome.replayed and outcome.reason not in (Reason.CALL_REUSED, Reason.IN_PROGRESS):
            self._rulings[course.attempt.run, course.attempt.call] = (course.decision, course.rule)
            if len(self._rulings) > KEPT_MAX:
                self._rulings.popitem(last=False)

    def _unsure(self, course: Course, outcome: Outcome, *, ran: bool) -> list[str]:
        """Return what was left out because nobody knows it here."""
        attempt, declared = course.attempt, self._policy.tool(course.attempt.tool)
        if declared is None or outcome.replayed:
            return []
        said = []
        blind = self._blind[attempt.tool]
        if blind and attempt.before is None and course.decision != Verdict.DENY.value:
            said.append(f"Not decided, because the before-image is not known here: {', '.join(map(quoted, blind))}.")
        if ran and outcome.status is Status.SUCCESS:
            if declared.checks is not None and not attempt.known:
                said.append("Its result is not known here, so it was not checked.")
            if declared.verify is not None:
                said.append("It was not read back.")
        return said


def _blind(policy: CompiledPolicy, tool: str) -> tuple[str, ...]:
    """Return the rules about a tool that need its before-image."""
    if policy.tools[tool].before is None and policy.tools[tool].asks is None:
        return ()
    return tuple(rule.id for rule in policy.rules if "before" in rule.names and tool in rule.tools)


def _severity(verdict: Verdict) -> int:
    return verdict.severity


def _name(finding: dict[str, Json]) -> str:
    """Return the rule of a finding of the policy's rules; of any other gate, the gate."""
    return str(finding["rule"] if finding["gate"] == GATE else finding["gate"])
