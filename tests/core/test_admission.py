"""Admission: what "the same call", "the same action" and "the same plan" mean, and where an Ask finds its answer."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handrail.core.admission import RETRIES_RULE, decide
from handrail.core.backoff import RETRIES_MAX
from handrail.core.case import propose
from handrail.core.commands import Ended, Go, Held
from handrail.core.decision import Finding, Verdict
from handrail.core.facts import CallState, Latch, Need
from handrail.core.outcome import Reason, Status, Violation
from handrail.core.record import RecordKind
from handrail.core.ticket import TicketState
from handrail.errors import ReviewError
from handrail.gates import default_gates
from handrail.review.decide import Remember


class Says:
    """A gate that says one thing."""

    def __init__(self, name, verdict=None, error=None, answer=None):
        self.name, self.verdict, self.error, self.answer = name, verdict, error, answer

    def judge(self, case):
        if self.error is not None:
            raise self.error
        if self.answer is not None:
            return self.answer
        return () if self.verdict is None else (Finding(self.name, "r", self.verdict, f"{self.name} objects."),)


def call_of(office, run="run", call="c1"):
    return office.store.read(lambda tx: tx.call(run, call))


# --- gates ------------------------------------------------------------------------------------------------------------


def test_no_gates_deny(new_office):
    """Without any gate nothing runs, not even a read."""
    ended = new_office(gates=()).admit("vm.get", {"id": "1"})
    assert ended.outcome.reason is Reason.GATE_ERROR
    assert ended.outcome.status is Status.DENIED


def interrupted():
    yield Finding("half", "r", Verdict.ASK, "ask")
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "gate",
    [
        Says("broken", error=ZeroDivisionError("x")),
        Says("broken", error=StopIteration()),
        Says("broken", error=RecursionError()),
        Says("broken", answer=7),
        Says("broken", answer=interrupted()),
    ],
    ids=["ZeroDivisionError", "StopIteration", "RecursionError", "7", "generator"],
)
def test_a_gate_that_fails_denies(new_office, gate):
    """Whatever a gate raises, or returns instead of findings, denies and names the gate."""
    ended = new_office(gates=(*default_gates(), gate)).admit("vm.get", {"id": "1"})
    assert ended.outcome.reason is Reason.GATE_ERROR
    assert "'broken'" in ended.outcome.why


@pytest.mark.parametrize("answer", [None, False, 0], ids=repr)
def test_a_gate_without_an_answer_denies(new_office, answer):
    """A gate has to say that it has no objection; forgetting to return is not an allowance."""
    gate = Says("broken")
    gate.judge = lambda case: answer
    assert isinstance(new_office(gates=(*default_gates(), gate)).admit("vm.get", {"id": "1"}), Ended)


VERDICTS = st.lists(st.sampled_from([None, Verdict.ASK, Verdict.DENY, "raises"]), min_size=1, max_size=6)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(VERDICTS, st.randoms())
def test_the_order_of_gates_does_not_change_the_verdict(verdicts, random):
    """Every gate is asked, and the most restrictive answer counts wherever it stands."""
    gates = [
        Says(f"g{n}", error=ValueError("x")) if v == "raises" else Says(f"g{n}", v) for n, v in enumerate(verdicts)
    ]
    one, other = decide(gates, None), decide(random.sample(gates, len(gates)), None)
    assert one.verdict is other.verdict
    assert {f.gate for f in one.decisive} == {f.gate for f in other.decisive}
    assert [f.gate for f in one.findings] == [g.name for g in gates if g.verdict or g.error]


# --- proposals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "args", "writes"),
    [
        ("vm.get", {"id": "1"}, False),
        ("vm.tag", {"id": "1"}, True),
        ("vm.make", {"env": "prod"}, True),
        ("vm.get", {}, True),
        ("unknown", {}, True),
    ],
)
def test_what_is_not_known_may_write(office, tool, args, writes):
    """Undeclared tools and effects that cannot be told count as writes: their intents survive power loss."""
    assert propose(office.desk.policy, office.action(tool, args)).writes is writes


# --- intents ----------------------------------------------------------------------------------------------------------


def test_an_intent_stands_before_the_effect(office):
    """Once a write is let run, its intent is in the journal and its call is running."""
    go = office.admit("vm.tag", {"id": "1"}, call="c1")
    assert isinstance(go, Go)
    (row,) = office.rows(RecordKind.ATTEMPT)
    assert (row.action, row.status, row.body["decision"], row.resource) == (go.action.id, "", "allow", "vm/1")
    assert call_of(office).state is CallState.RUNNING
    assert call_of(office).durable


def test_reads_leave_no_call(office):
    """A read that nobody can repeat is journalled, and not tracked."""
    go = office.admit("vm.get", {"id": "1"})
    assert not go.tracked
    assert office.store.read(lambda tx: tx.unsettled()) == ()
    assert len(office.rows(RecordKind.ATTEMPT)) == 1


def test_the_first_decision_records_nothing(office):
    """Before the plan is known an allowance writes nothing, an Ask waits, and a denial is final."""
    go = office.admit("vm.drop", {"id": "1"}, planned=False)
    assert isinstance(go, Go)
    assert office.rows() == []
    assert isinstance(office.admit("vm.drop", {"id": "core"}, planned=False), Ended)
    assert office.rows(RecordKind.ATTEMPT)[0].status == "denied"


def test_secrets_are_not_recorded(office):
    """Neither attempts nor tickets hold what redaction names."""
    office.admit("vm.login", {"id": "1", "password": "sesame"}, call="c1")
    office.admit("vm.drop", {"id": "1", "password": "sesame"}, call="c2")
    assert "sesame" not in repr(office.rows())
    assert "sesame" not in repr(office.store.read(lambda tx: tx.tickets()))


# --- the same call ----------------------------------------------------------------------------------------------------


def test_a_repeated_call_gets_its_first_outcome(new_office, policy_text):
    """After a terminal outcome the same call never runs again, and gets value and status again."""
    office = new_office(policy_text.replace("redact: [args.password, result.token]", ""))
    go = office.admit("vm.tag", {"id": "1"}, call="c1")
    office.settle(go, result={"n": 1})
    ended = office.admit("vm.tag", {"id": "1"}, call="c1")
    outcome = ended.outcome
    assert (outcome.status, outcome.value, outcome.replayed, outcome.action) == (
        Status.SUCCESS, {"n": 1}, True, go.action.id,
    )  # fmt: skip


def test_a_running_call_is_in_progress(office):
    """While the first is running, the same call is refused, and the first is left as it is."""
    go = office.admit("vm.tag", {"id": "1"}, call="c1")
    ended = office.admit("vm.tag", {"id": "1"}, call="c1")
    assert ended.outcome.reason is Reason.IN_PROGRESS
    assert call_of(office).action == go.action.id
    assert call_of(office).state is CallState.RUNNING


@pytest.mark.parametrize("other", [("vm.tag", {"id": "2"}), ("vm.login", {"id": "1"})])
def test_a_call_id_is_not_reused(office, other):
    """The same id with another tool or other arguments is denied, also after the first has ended."""
    office.settle(office.admit("vm.tag", {"id": "1"}, call="c1"))
    assert office.admit(*other, call="c1").outcome.reason is Reason.CALL_REUSED


def test_the_same_call_id_in_another_run_is_another_call(office):
    """(run, call) is the call."""
    office.admit("vm.tag", {"id": "1"}, run="one", call="c1")
    assert isinstance(office.admit("vm.tag", {"id": "1"}, run="two", call="c1"), Go)


def test_a_denied_call_stays_denied(office):
    """A refusal by a rule is the call's terminal outcome."""
    first = office.admit("vm.tag", {"id": "core"}, call="c1").outcome
    again = office.admit("vm.tag", {"id": "core"}, call="c1").outcome
    assert (again.status, again.reason, again.why, again.replayed) == (first.status, first.reason, first.why, True)


def test_what_a_person_lifts_is_decided_afresh(office):
    """The refusal of a stopped agent is not its call's last word."""
    office.store.transact(lambda tx: tx.put_latch(Latch("bot", "dana", "Wait.", 0)))
    ended = office.admit("vm.tag", {"id": "1"}, call="c1")
    assert (ended.outcome.status, ended.outcome.reason) == (Status.KILLED, Reason.STOPPED)
    office.store.transact(lambda tx: tx.clear_latch("bot"))
    assert isinstance(office.admit("vm.tag", {"id": "1"}, call="c1"), Go)


def test_a_held_call_is_decided_afresh_under_its_first_id(office):
    """The id that the journal knows, and the attempt that it was, stay."""
    held = office.admit("vm.drop", {"id": "1"}, call="c1")
    office.approve(held.ticket.id)
    go = office.admit("vm.drop", {"id": "1"}, call="c1")
    assert (go.action.id, go.attempt) == (held.outcome.action, 0)


def test_a_new_flow_of_a_waiting_call_goes_on_counting(office):
    """After a retry, the same call is the next attempt of the same action."""
    go = office.admit("vm.tag", {"id": "1"}, call="c1")
    office.settle(go, Status.RETRY, reason=Reason.ERROR)
    again = office.admit("vm.tag", {"id": "1"}, call="c1")
    assert (again.action.id, again.attempt, again.failures) == (go.action.id, 1, 1)


def test_an_action_in_doubt_needs_a_person(office):
    """A write whose process died is not run again under any call id, and is shown as such."""
    go = office.admit("vm.tag", {"id": "1"}, call="c1")
    office.store.crash()
    for call in ("c1", "c2", None):
        outcome = office.admit("vm.tag", {"id": "1"}, call=call).outcome
        assert (outcome.status, outcome.reason) == (Status.HUMAN_REVIEW_REQUIRED, Reason.IN_DOUBT)
        assert go.action.id in outcome.why
    assert isinstance(office.admit("vm.tag", {"id": "2"}), Go)


def test_an_action_in_doubt_in_another_run(office):
    """Two runs that number their calls alike do not hide each other's doubt."""
    office.admit("vm.tag", {"id": "1"}, run="one", call="c1")
    office.store.crash()
    assert office.admit("vm.tag", {"id": "1"}, run="two", call="c1").outcome.reason is Reason.IN_DOUBT


@pytest.mark.parametrize("call", ["c1", "c2"])
def test_an_action_in_doubt_that_may_be_repeated_is_taken_up(office, call):
    """The flow is told that an attempt before it may have happened; one that nobody made before is not."""
    office.load("version: 1\nagents: {bot: {access: write}}\ntools: {vm.put: {do: create, idempotent: true}}")
    assert not office.admit("vm.put", {"id": "1"}, call="c1").taken_up
    office.store.crash()
    assert office.admit("vm.put", {"id": "1"}, call=call).taken_up
    assert not office.admit("vm.put", {"id": "2"}, call="c3").taken_up


# --- denials ----------------------------------------------------------------------------------------------------------


def test_a_rules_denial_sticks(office):
    """It is remembered on resource and lineage: another tool, verb or relative asks from then on."""
    assert office.admit("vm.tag", {"id": "core"}).outcome.reason is Reason.RULE
    need = Need("", "", "k", ("bot", "bot/worker"), ("vm/core",))
    assert office.store.read(lambda tx: tx.facts(need)).resources["vm/core"].denials == (("update", "never-core"),)
    office.load("version: 1\nagents: {bot: {access: write}}\ntools: {vm.make: {do: create, resource: 'vm/{args.id}'}}")
    held = office.admit("vm.make", {"id": "core"})
    assert held.outcome.reason is Reason.DENIAL_MEMORY


@pytest.mark.parametrize(
    ("agent", "tool", "args", "fields"),
    [
        ("bot", "unknown", {"id": "1"}, {}),
        ("reader", "vm.tag", {"id": "1"}, {}),
        ("bot", "vm.tag", {"id": "1"}, {"invalid": (Violation("arguments", "id", "bad"),)}),
    ],
    ids=["undeclared", "access", "arguments"],
)
def test_other_denials_do_not_stick(office, agent, tool, args, fields):
    """Unknown tools, missing access and invalid arguments harm no resource."""
    assert isinstance(office.admit(tool, args, agent=agent, **fields), Ended)
    need = Need("", "", "k", (agent,), ("vm/1",))
    assert not office.store.read(lambda tx: tx.facts(need)).resources


def test_invalid_arguments(office):
    """They end the action as failed_validation, with what was found."""
    fault = Violation("arguments", "id", "is not text.")
    outcome = office.admit("vm.tag", {"id": "1"}, invalid=(fault,)).outcome
    assert (outcome.status, outcome.reason, outcome.violations) == (
        Status.FAILED_VALIDATION, Reason.ARGUMENTS, (fault,),
    )  # fmt: skip


# --- asking -----------------------------------------------------------------------------------------------------------


def test_asking_opens_one_ticket_for_one_plan(office):
    """The same plan, from any run and call, waits on the same ticket; another plan on its own."""
    first = office.admit("vm.drop", {"id": "1"}, run="one")
    again = office.admit("vm.drop", {"id": "1"}, run="two")
    other = office.admit("vm.drop", {"id": "2"})
    assert (first.opened, again.opened, other.opened) == (True, False, True)
    assert first.ticket.id == again.ticket.id != other.ticket.id
    assert first.ticket.rules == ("destructive",)
    assert first.outcome.status is Status.HUMAN_REVIEW_REQUIRED


def test_an_approval_is_spent_once(office):
    """It lets one action run; the next one asks anew."""
    held = office.admit("vm.drop", {"id": "1"})
    office.approve(held.ticket.id)
    go = office.admit("vm.drop", {"id": "1"})
    assert go.ticket == held.ticket.id
    spent = office.ticket(held.ticket.id)
    assert (spent.state, spent.action) == (TicketState.SPENT, go.action.id)
    assert office.rows(RecordKind.ATTEMPT)[-1].body["approved"] == "kim"
    office.settle(go)
    again = office.admit("vm.drop", {"id": "1"})
    assert isinstance(again, Held)
    assert again.ticket.id != held.ticket.id


def test_retries_share_the_approval_but_not_the_extra_attempt(office):
    """An attempt of the same flow uses the spent ticket again; used-up retries ask even so."""
    held = office.admit("vm.drop", {"id": "1"}, call="c1")
    office.approve(held.ticket.id)
    go = office.admit("vm.drop", {"id": "1"}, call="c1")
    for attempt in range(1, RETRIES_MAX + 1):
        office.settle(go, Status.RETRY, reason=Reason.ERROR)
        go = office.admit("vm.drop", {"id": "1"}, call="c1", attempt=attempt, ticket=go.ticket)
        assert (go.attempt, go.ticket) == (attempt, held.ticket.id)
    office.settle(go, Status.RETRY, reason=Reason.ERROR)
    last = office.admit("vm.drop", {"id": "1"}, call="c1", attempt=RETRIES_MAX + 1, ticket=go.ticket)
    assert isinstance(last, Held)
    assert last.ticket.rules == ("destructive", RETRIES_RULE)
    assert last.outcome.reason is Reason.DESTRUCTIVE


def test_somebody_elses_spent_ticket_answers_nothing(office):
    """A ticket that another action spent does not let this one run."""
    held = office.admit("vm.drop", {"id": "1"})
    office.approve(held.ticket.id)
    office.settle(office.admit("vm.drop", {"id": "1"}))
    assert isinstance(office.admit("vm.drop", {"id": "1"}, ticket=held.ticket.id), Held)


def test_a_plan_that_changed_goes_stale(office):
    """What is there changed: the old ticket is stale, approved or not, and the new one says what it replaces."""
    first = office.admit("vm.drop", {"id": "1"}, before={"n": 1})
    office.approve(first.ticket.id)
    second = office.admit("vm.drop", {"id": "1"}, before={"n": 2})
    assert office.ticket(first.ticket.id).state is TicketState.STALE
    assert second.ticket.view["replaces"] == [first.ticket.id]


def test_another_policy_makes_another_plan(office, policy_text):
    """An approval under one policy is not one under the next."""
    held = office.admit("vm.drop", {"id": "1"})
    office.approve(held.ticket.id)
    office.load(policy_text + "  - {id: new, when: args.id == 'never', then: ask}\n")
    assert isinstance(office.admit("vm.drop", {"id": "1"}), Held)


@pytest.mark.parametrize(
    "forge",
    [
        {"signature": "00" * 64},
        {"signature": ""},
        {"by": "dana"},
        {"by": "bot"},
        {"by": "stranger"},
        {"valid_until_us": 2**60},
        {"rules": ("destructive", "production")},
    ],
    ids=str,
)
def test_a_forged_approval_is_none(office, forge):
    """What a declared, permitted reviewer did not sign lets nothing run."""
    held = office.admit("vm.drop", {"id": "1"})
    office.approve(held.ticket.id)
    forged = replace(office.ticket(held.ticket.id), **forge)
    office.store.transact(lambda tx: tx.put_ticket(forged))
    assert isinstance(office.admit("vm.drop", {"id": "1"}), Held)


def test_four_eyes(office):
    """The owner may not decide, and the agent never."""
    held = office.admit("vm.drop", {"id": "1"})
    for name in ("dana", "bot"):
        with pytest.raises(ReviewError):
            office.approve(held.ticket.id, by=name)
    assert office.ticket(held.ticket.id).state is TicketState.PENDING


def test_a_reviewer_who_is_not_declared_any_more(office, policy_text):
    """Approvals of somebody whom the policy no longer names do not count."""
    held = office.admit("vm.drop", {"id": "1"})
    office.approve(held.ticket.id)
    policy = office.desk.policy

    class Without:
        reviewers = ("dana",)

        def __getattr__(self, name):
            return getattr(policy, name)

    office.desk = replace(office.desk, policy=Without())
    assert isinstance(office.admit("vm.drop", {"id": "1"}), Held)


@pytest.mark.parametrize(("seconds", "expired"), [(1_799, False), (1_800, True)])
@pytest.mark.parametrize("approved", [False, True])
def test_tickets_expire(office, seconds, expired, approved):
    """Thirty minutes to decide, and thirty to use the approval, to the microsecond."""
    held = office.admit("vm.drop", {"id": "1"})
    if approved:
        office.approve(held.ticket.id)
    office.clock.forward(seconds)
    answer = office.admit("vm.drop", {"id": "1"})
    assert (office.ticket(held.ticket.id).state is TicketState.EXPIRED) is expired
    if expired:
        assert answer.opened
    else:
        assert isinstance(answer, Go) is approved


def test_a_refusal_holds_for_its_time(office):
    """The same plan is refused in the reviewer's words; later it may ask again."""
    held = office.admit("vm.drop", {"id": "1"})
    office.deny(held.ticket.id, note="not on a Friday")
    outcome = office.admit("vm.drop", {"id": "1"}).outcome
    assert (outcome.status, outcome.reason) == (Status.DENIED, Reason.REJECTED)
    assert "not on a Friday" in outcome.why
    office.clock.forward(1_800)
    assert isinstance(office.admit("vm.drop", {"id": "1"}), Held)


def test_own_reads_ask_nobody(new_office, policy_text):
    """A read that Handrail makes for an action is decided, and a person is not asked twice."""
    office = new_office(policy_text + "  - {id: all, then: ask}\n")
    assert isinstance(office.admit("vm.get", {"id": "1"}), Held)
    assert isinstance(office.admit("vm.get", {"id": "1"}, parent="a-0"), Go)
    assert isinstance(office.admit("vm.tag", {"id": "1"}, parent="a-0"), Held)
    assert isinstance(office.admit("vm.get", {"id": "1"}, agent="stranger", parent="a-0"), Ended)


# --- grants -----------------------------------------------------------------------------------------------------------


def granted(office, uses=2, **fields):
    held = office.admit("vm.put", {"id": "1", "value": "a"})
    office.approve(held.ticket.id, remember=Remember(uses, 1, {"value": "*"}, **fields))
    office.settle(office.admit("vm.put", {"id": "1", "value": "a"}))


def test_a_grant_answers_in_advance(office):
    """Within its uses and pattern no person is asked; each use counts, and who gave it is journalled."""
    granted(office)
    for value in ("b", "c"):
        assert isinstance(office.admit("vm.put", {"id": "1", "value": value}), Go)
    assert "grant G-" in office.rows(RecordKind.ATTEMPT)[-1].body["approved"]
    assert isinstance(office.admit("vm.put", {"id": "1", "value": "d"}), Held)
    assert isinstance(office.admit("vm.put", {"id": "2", "value": "b"}), Held)


@pytest.mark.parametrize(
    "change", [{"uses_max": 20}, {"by": "dana"}, {"until_us": 2**60}, {"tool": "vm.put", "id": "G-X"}]
)
def test_a_forged_grant_is_none(office, change):
    """A grant that its reviewer did not sign so answers nothing."""
    granted(office)
    (grant,) = office.store.read(lambda tx: tx.grants())

    def forge(tx):
        tx.put_grant(replace(grant, revoked=True))
        tx.put_grant(replace(grant, **change))

    office.store.transact(forge)
    assert isinstance(office.admit("vm.put", {"id": "1", "value": "b"}), Held)


def test_a_grant_gives_no_further_attempt(office):
    """Used-up retries need a person, whatever was granted."""
    granted(office, uses=20)
    key = office.action("vm.put", {"id": "1", "value": "b"}).key
    office.store.transact(lambda tx: [tx.add_failure(key) for _ in range(RETRIES_MAX + 1)])
    assert isinstance(office.admit("vm.put", {"id": "1", "value": "b"}), Held)


def test_what_cannot_be_undone_is_not_granted(office):
    """Approving and remembering needs an undo."""
    held = office.admit("vm.drop", {"id": "1"})
    with pytest.raises(ReviewError, match="cannot be undone"):
        office.approve(held.ticket.id, remember=Remember(1, 1, {}))


# --- observe ----------------------------------------------------------------------------------------------------------


def test_observe_runs_everything_and_says_what_would_have_been(new_office, policy_text):
    """No tickets, no denials; the journal tells what enforcing would have done."""
    office = new_office(policy_text.replace("version: 1", "version: 1\nmode: observe"))
    for tool, args, would in [
        ("vm.drop", {"id": "1"}, "ask"),
        ("vm.tag", {"id": "core"}, "deny"),
        ("unknown", {}, "deny"),
    ]:
        go = office.admit(tool, args)
        assert isinstance(go, Go)
        assert go.observed
        body = office.rows(RecordKind.ATTEMPT)[-1].body
        assert (body["decision"], body["would"]) == ("allow", would)
    assert office.store.read(lambda tx: tx.tickets()) == ()


@pytest.mark.parametrize("what", ["stopped", "arguments", "gate", "doubt"])
def test_what_holds_in_observe_mode_too(new_office, policy_text, what):
    """A stop, invalid arguments, a broken gate and an action in doubt refuse in any mode."""
    gates = (*default_gates(), Says("broken", error=ValueError())) if what == "gate" else None
    office = new_office(policy_text.replace("version: 1", "version: 1\nmode: observe"), gates)
    invalid = (Violation("arguments", "id", "bad"),) if what == "arguments" else ()
    if what == "stopped":
        office.store.transact(lambda tx: tx.put_latch(Latch("bot", "dana", "Wait.", 0)))
    if what == "doubt":
        office.admit("vm.tag", {"id": "1"})
        office.store.crash()
    assert isinstance(office.admit("vm.tag", {"id": "1"}, invalid=invalid), Ended)


# --- what a spent ticket and a grant do not cover ---------------------------------------------------------------------


def begun(office, **fields):
    """Let an approved deletion run and fail once; return its admission."""
    held = office.admit("vm.drop", {"id": "1"}, call="c1", **fields)
    office.approve(held.ticket.id)
    go = office.admit("vm.drop", {"id": "1"}, call="c1", **fields)
    office.settle(go, Status.RETRY, reason=Reason.ERROR)
    return go


def again(office, go, **fields):
    return office.admit("vm.drop", {"id": "1"}, call="c1", attempt=1, ticket=go.ticket, **fields)


def test_a_retry_is_the_same_plan(office):
    """What is there changed since: the retry asks anew."""
    go = begun(office, before={"n": 1})
    assert isinstance(again(office, go, before={"n": 2}), Held)
    assert isinstance(again(office, go, before={"n": 1}), Go)


def test_a_retry_is_within_the_approvals_time(office):
    """After its validity a spent approval answers no retry either."""
    go = begun(office)
    office.clock.forward(1_799)
    assert isinstance(again(office, go), Go)
    office.clock.forward(1)
    assert isinstance(again(office, go), Held)


def test_one_further_attempt_is_one(office):
    """An approval of used-up retries is never shared between attempts."""
    key = office.action("vm.drop", {"id": "1"}).key
    office.store.transact(lambda tx: [tx.add_failure(key) for _ in range(RETRIES_MAX + 1)])
    go = begun(office)
    assert RETRIES_RULE in office.ticket(go.ticket).rules
    assert isinstance(again(office, go), Held)


@pytest.mark.parametrize(("tool", "rules"), [("vm.drop", ("destructive",)), ("vm.put", ("destructive", RETRIES_RULE))])
def test_a_signed_grant_too_far(office, tool, rules):
    """Even one that a reviewer signed: never for what cannot be undone, never for a further attempt."""
    from handrail.core.ticket import Grant
    from handrail.review import keys

    (kim,) = [person for person in office.store.read(lambda tx: tx.reviewers()) if person.name == "kim"]
    grant = Grant("G-1", "bot", tool, rules, {"id": "1"}, 0, 5, 2**60, "kim", office.desk.policy.hash)
    signature = keys.unlock_as(kim, "the secret of kim").sign(grant.signed()).hex()
    office.store.transact(lambda tx: tx.put_grant(replace(grant, signature=signature)))
    if tool == "vm.put":
        assert isinstance(office.admit(tool, {"id": "1"}), Go)
        key = office.action(tool, {"id": "1"}).key
        office.store.transact(lambda tx: [tx.add_failure(key) for _ in range(RETRIES_MAX + 1)])
    assert isinstance(office.admit(tool, {"id": "1"}), Held)
