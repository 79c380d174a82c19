"""What both drivers share."""

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from handrail.alerts.alert import AlertKind
from handrail.core.commands import Admit, Consult, Go, Invoke, Raised, Seen, Settle, Settled, Unseen
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.drivers import blocking
from handrail.drivers.host import Body, current, new_id, new_nonce
from handrail.errors import NotDone, NotNow, OutcomeUnknown, StoreError

quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


class Answer:
    def __init__(self, headers):
        self.headers = headers

    def __repr__(self):
        return f"Answer({self.headers})"


class Upstream(Exception):
    def __init__(self, retry_after=None, headers=None, response=None):
        super().__init__("busy")
        if retry_after is not None:
            self.retry_after = retry_after
        if headers is not None:
            self.response = Answer(headers)
        if response is not None:
            self.response = response


def raised(room, error, tool="get", **args) -> Raised:
    return room.host.raised(room.proposal(tool, **args).action, error)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Upstream(), 0),
        (Upstream(7), 7),
        (Upstream("7.5"), 7.5),
        (Upstream(headers={"Retry-After": "12"}), 12),
        (Upstream(3, {"Retry-After": "12"}), 3),
        (Upstream(-1), 0),
        (Upstream(float("nan")), 0),
        (Upstream(float("inf")), 0),
        (Upstream("soon"), 0),
        (Upstream([1]), 0),
        (Upstream(headers={}), 0),
        (Upstream(response={"headers": {}}), 0),
        (ValueError(), 0),
    ],
    ids=lambda value: repr(getattr(value, "__dict__", value)),
)
def test_retry_after(room, error, seconds):
    """Seconds that the upstream asked for, from the exception or its response; nothing odd counts."""
    assert raised(room, error).retry_after_s == seconds


@pytest.mark.parametrize("value", ["Fri, 31 Dec 2126 23:59:59 GMT", "3601"])
def test_retry_after_that_is_lost(room, value):
    """RFC 9110 allows a date; and what asks for more than an hour is not answered within a second."""
    assert raised(room, Upstream(headers={"Retry-After": value})).retry_after_s > 0


class Mute(Exception):
    def __str__(self):
        raise ZeroDivisionError


def test_what_a_tool_raises_becomes_one_sentence(room):
    """Tool, kind and text, one printable line of bounded length, whatever the exception does."""
    assert raised(room, ValueError("x\n\x1b[2J")).why == r"'get' failed: ValueError: x\n\x1b[2J"
    assert len(raised(room, ValueError("x" * 10_000)).why) < 700
    assert "its text cannot be read: ZeroDivisionError" in raised(room, Mute()).why


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), GeneratorExit()], ids=repr)
def test_what_stops_the_program_stops_the_action(room, error):
    """It is not one more failure to retry."""
    answer = raised(room, error)
    assert answer.stops
    assert "was stopped" in answer.why
    assert not raised(room, ValueError()).stops


def test_secrets_in_an_exception(room):
    """What redaction hides among the arguments is hidden in the tool's own words too."""
    answer = raised(room, OSError("cannot log in with sesame!"), "login", password="sesame")
    assert "sesame" not in answer.why
    assert "[redacted]" in answer.why


@quick
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=30))
def test_any_secret_in_an_exception(room, secret):
    """Whatever the secret's characters, its text does not come out."""
    action = room.proposal("login", password=secret).action
    marked = room.host.raised(action, OSError(f"\u2603{secret}\u2603")).why
    if secret not in "'login' failed: OSError: [redacted]" and "\u2603" not in secret:
        assert marked == "'login' failed: OSError: \u2603[redacted]\u2603"


def test_a_secret_that_is_quoted(room):
    """`KeyError('a\\nb')` shows the secret in another spelling."""
    why = raised(room, KeyError("open\nsesame"), "login", password="open\nsesame").why
    assert "sesame" not in why


def returned(room, call, check=None):
    return blocking.perform(Invoke(room.proposal("set").action, 0), room.host, Body(call, check))


def test_what_a_tool_returns(room):
    """Its JSON form, size and time; without such a form, why; and what its own types find."""
    answer = returned(room, lambda: {"a": (1, 2)})
    assert (answer.result, answer.at_us, answer.opaque) == ({"a": [1, 2]}, room.clock.now_us, "")
    assert answer.size > 0
    assert "no JSON form" in returned(room, object).opaque
    fault = Violation("result", "", "bad")
    assert returned(room, lambda: 1, lambda value: (fault,)).violations == (fault,)


class Loose(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    value: object


class OddMapping(dict):
    def items(self):
        raise ZeroDivisionError


class BadHeaders(Exception):
    response = Answer([("Retry-After", "1")])


class NoResponse(Exception):
    @property
    def response(self):
        raise RuntimeError("no response")


def give(value):
    return lambda: value


def fail(error):
    def call():
        raise error

    return call


FOREIGN = [give(Loose(value=object())), give(OddMapping(a=1)), fail(BadHeaders("busy")), fail(NoResponse("busy"))]


@pytest.mark.parametrize("call", FOREIGN, ids=["model", "mapping", "headers", "property"])
def test_foreign_values_that_raise_do_not_lose_the_outcome(room, call):
    """A tool ran: whatever its result or exception does when it is looked at, an outcome is recorded."""
    blocking.run(room.proposal("set"), room.host, Body(call))
    assert room.store.read(lambda tx: tx.unsettled()) == ()
    query = Query(kinds=(RecordKind.OUTCOME,))
    assert len(room.store.read(lambda tx: list(tx.records(query)))) == 1


def test_a_result_that_nests_too_deep(room):
    """It has no JSON form; it is no crash."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert "deep" in returned(room, lambda: deep).opaque


def test_what_fails_inside_handrail_denies(room):
    """A lost store and a bug are told apart, and both refuse."""
    command = Admit(room.proposal("get").action)
    lost = room.host.refused(command, StoreError("The store is gone.")).outcome
    bug = room.host.refused(command, ZeroDivisionError("x\n")).outcome
    assert (lost.status, lost.reason, lost.why) == (Status.DENIED, Reason.STORE, "The store is gone.")
    assert (bug.status, bug.reason) == (Status.DENIED, Reason.GATE_ERROR)
    assert r"ZeroDivisionError: x\n" in bug.why


class Breaking:
    """A store that fails its second transaction, and works again."""

    def __init__(self, real):
        self.real, self.count = real, 0

    def transact(self, step, durable=False):
        self.count += 1
        if self.count == 2:
            raise StoreError("disk full")
        return self.real.transact(step)


def test_a_lost_outcome_is_in_doubt(room):
    """The next admission marks it so before anything else is decided."""
    room.host.store = Breaking(room.store)
    with pytest.raises(StoreError, match="handrail log resolve"):
        blocking.run(room.proposal("set", call="c1"), room.host, Body(lambda: 1))
    assert blocking.run(room.proposal("set", call="c2"), room.host, Body(lambda: 1)).reason is Reason.IN_DOUBT
    assert [alert.kind for alert in room.alerts] == [AlertKind.IN_DOUBT]


def test_only_planned_writes_need_the_disk(room):
    """Intents of writes survive power loss; reads and first decisions need not."""

    def durable(tool, **fields):
        return room.host.admission(Admit(room.proposal(tool).action, **fields))[1]

    assert durable("set")
    assert not durable("set", planned=False)
    assert not durable("get")
    assert durable("nowhere")


def test_people_are_told_of_tickets_once(room):
    """A new ticket is an alert with its id; the same ticket again is none."""
    for _ in range(2):
        step, _ = room.host.admission(Admit(room.proposal("drop").action))
        held = room.host.admitted(room.store.transact(step))
    (alert,) = room.alerts
    assert alert.kind is AlertKind.REVIEW
    assert alert.fields["ticket"] == held.ticket.id
    assert f"handrail review show {held.ticket.id}" in alert.text


def test_people_are_told_of_drift(room):
    """Every sentence is in an alert."""
    go = Go(room.proposal("get").action, ())
    outcome = Outcome(Status.SUCCESS)
    room.host.settled(Settle(go, outcome), Settled(outcome, drift=("a drifts.", "b drifts.")))
    assert {alert.kind for alert in room.alerts} == {AlertKind.DRIFT}
    told = " ".join(alert.text for alert in room.alerts)
    assert "a drifts." in told
    assert "b drifts." in told


def test_own_calls(room):
    """A paired read is a child of its action, with a call id of its own; without a body it is not made."""
    tool = room.host.desk.policy.tool("put")
    action = room.proposal("put", call="c1").action
    consult = Consult(action, tool.before, "before", {"args": {"id": "1"}})
    assert isinstance(room.host.child(consult), Unseen)
    room.found["get"] = Body(lambda: "there")
    proposal, body = room.host.child(consult)
    child = proposal.action
    assert (child.parent, child.call, child.run, child.keep) == (action.id, "c1/before", "run", False)
    assert body.call() == "there"
    assert isinstance(room.host.child(consult._replace(scope={"args": {}})), Unseen)


def test_what_own_calls_come_to(room):
    """Only a success with a JSON form was seen."""
    assert room.host.seen(Outcome(Status.SUCCESS, value=(1,))) == Seen([1])
    assert isinstance(room.host.seen(Outcome(Status.SUCCESS, value=object())), Unseen)
    assert room.host.seen(Outcome(Status.FAILED, why="It failed.")) == Unseen("It failed.")


def test_waiting_for_a_ticket_ends(room):
    """When it is decided, when its time is over, and when it does not exist."""
    step, _ = room.host.admission(Admit(room.proposal("drop").action))
    held = room.store.transact(step)
    assert not room.host.decided(held.ticket.id)
    assert room.host.decided("T-NONE")
    room.clock.forward(1_800)
    assert room.host.decided(held.ticket.id)


def test_current(room):
    """Inside a tool, its action: one idempotency key over all attempts; outside, nothing."""
    seen = []

    def call():
        seen.append(current())
        if len(seen) < 3:
            raise OSError("busy")
        return "x"

    assert current() is None
    blocking.run(room.proposal("get", call="c1"), room.host, Body(call))
    assert current() is None
    assert [execution.attempt for execution in seen] == [0, 1, 2]
    assert len({execution.idempotency_key for execution in seen}) == 1
    assert dataclasses.asdict(seen[0]) == {
        "action": seen[0].action, "idempotency_key": seen[0].action, "attempt": 0, "agent": "bot", "run": "run",
    }  # fmt: skip


def test_ids():
    """Ids are unique and of one length, so that they sort by time; a nonce has only letters and digits."""
    ids = [new_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert {len(id) for id in ids} == {23}
    assert sorted(ids, key=lambda id: id[:11]) == ids
    nonces = {new_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert all(len(n) == 32 and n.isalnum() and n.isupper() for n in nonces)


class Stale(NotDone):
    reason = Reason.STALE


class Odd(NotDone):
    reason = Reason.IN_DOUBT


class Torn(NotDone, OutcomeUnknown):
    """Says both."""


class LateAnswer(NotDone, TimeoutError):
    """Says both."""


@pytest.mark.parametrize(
    ("error", "reason", "final", "cut_off"),
    [
        (NotDone("no"), Reason.ERROR, True, False),
        (Stale("no"), Reason.STALE, True, False),
        (NotNow("busy"), Reason.ERROR, True, False),
        (Odd("no"), Reason.ERROR, True, False),
        (OutcomeUnknown("lost"), Reason.ERROR, False, True),
        (TimeoutError("late"), Reason.ERROR, False, True),
        (Torn("?"), Reason.ERROR, False, True),
        (LateAnswer("?"), Reason.ERROR, False, True),
        (OSError("x"), Reason.ERROR, False, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_tool_says_of_its_failure(room, error, reason, final, cut_off):
    """It did nothing, and why; or it may have: where it says both, it may have."""
    answer = raised(room, error)
    assert (answer.reason, answer.final, answer.cut_off) == (reason, final, cut_off)
    assert answer.only_now is isinstance(error, NotNow)


@pytest.mark.parametrize(("error", "reason"), [(NotDone("no"), Reason.ERROR), (Stale("no"), Reason.STALE)])
def test_a_tool_that_did_nothing_runs_once(room, error, reason):
    """Although it may be repeated, it is not; its own error is the cause."""
    calls = []

    def call():
        calls.append(1)
        raise error

    outcome = blocking.run(room.proposal("get"), room.host, Body(call))
    assert (outcome.status, outcome.reason, outcome.error) == (Status.FAILED, reason, error)
    assert len(calls) == 1


def test_a_lost_answer_leaves_a_write_in_doubt(room):
    """The same action is not made again until somebody looked; a tool that can be repeated is."""
    outcome = blocking.run(room.proposal("set", call="c1"), room.host, Body(fail(OutcomeUnknown("lost"))))
    assert outcome.reason is Reason.IN_DOUBT
    assert blocking.run(room.proposal("set", call="c2"), room.host, Body(give(1))).reason is Reason.IN_DOUBT
    answers = iter([OutcomeUnknown("lost"), None])

    def call():
        error = next(answers)
        if error is not None:
            raise error
        return "there"

    assert blocking.run(room.proposal("get"), room.host, Body(call)).value == "there"


def test_what_the_edge_knows_is_shown_and_bound(room):
    """The before-image that a proposal brings stands in the ticket's picture, and another one is another plan."""
    tickets = []
    for before in ({"rows": 1}, {"rows": 1}, {"rows": 2}):
        proposal = room.proposal("drop")._replace(before=before)
        tickets.append(blocking.run(proposal, room.host, Body(give(1))).ticket)
    assert tickets[0] == tickets[1] != tickets[2]
    ticket = room.store.read(lambda tx: tx.ticket(tickets[0]))
    assert ticket.view["before"] == {"rows": 1}
