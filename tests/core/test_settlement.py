"""Settlement: the outcome, and everything that follows from it, in one transaction."""

import pytest

from handrail.core.backoff import RETRIES_MAX
from handrail.core.commands import Go, Seen, Settle
from handrail.core.digest import digest
from handrail.core.facts import CallState, Need
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.core.record import RecordKind
from handrail.core.settlement import KEPT_BYTES_MAX, SHOWN_BYTES_MAX, Learned, settle


def call_of(office, go):
    return office.store.read(lambda tx: tx.call(go.action.run, go.action.call))


def failures(office, key):
    return office.store.read(lambda tx: tx.facts(Need("", "", key, ("bot",)))).recent_failures


def begin(office, tool="vm.tag", args=None, call="c1", **fields) -> Go:
    go = office.admit(tool, args or {"id": "1"}, call=call, **fields)
    assert isinstance(go, Go)
    return go


def test_success(new_office, policy_text):
    """A success is journalled with its result, and kept for the same call."""
    office = new_office(policy_text.replace("redact: [args.password, result.token]", ""))
    go = begin(office)
    settled = office.settle(go, result={"a": 1}, size=10)
    assert settled.outcome.status is Status.SUCCESS
    (row,) = office.rows(RecordKind.OUTCOME)
    assert (row.action, row.status, row.resource, row.body["result"]) == (go.action.id, "success", "vm/1", {"a": 1})
    call = call_of(office, go)
    assert (call.state, call.result) == (CallState.DONE, '{"a":1}')


def test_a_call_that_nobody_can_repeat_is_forgotten(office):
    """Without a call id of the agent's own, nothing of the call is kept."""
    go = begin(office, call=None)
    assert call_of(office, go).state is CallState.RUNNING
    office.settle(go)
    assert call_of(office, go) is None


def test_a_retry_waits(office):
    """Between two attempts the call is waiting, not in doubt."""
    go = begin(office, call=None)
    office.settle(go, Status.RETRY, reason=Reason.ERROR)
    assert call_of(office, go).state is CallState.WAITING


def test_failures_are_counted_by_action_key(office):
    """Whatever call ids a model invents, failures of the same action add up, and a success forgets them."""
    for n in range(3):
        settled = office.settle(begin(office, call=f"c{n}"), Status.FAILED, reason=Reason.ERROR)
        assert settled.failures == n + 1
    go = begin(office, call="c9")
    assert go.failures == 3
    office.settle(go)
    assert failures(office, go.action.key) == 0


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"reason": Reason.WOULD_BLOCK}, 0),
        ({"reason": Reason.CANCELLED, "began": False}, 0),
        ({"reason": Reason.CANCELLED}, 1),
    ],
    ids=str,
)
def test_what_is_no_attempt(office, fields, count):
    """An event loop that must not be blocked, or a cancellation before it ran, uses up no retry; one amid it does."""
    go = begin(office)
    assert office.settle(go, Status.FAILED, **fields).failures == count
    assert failures(office, go.action.key) == count


@pytest.mark.parametrize(
    ("reason", "status"), [(Reason.ERROR, Status.FAILED), (Reason.CHECKS, Status.FAILED_VALIDATION)]
)
def test_the_last_retry_is_named_by_what_it_was(office, reason, status):
    """An attempt that no retry follows is a failure or an invalid result, not a retry."""
    for n in range(RETRIES_MAX):
        assert office.settle(begin(office, call=f"c{n}"), Status.RETRY, reason=reason).outcome.status is Status.RETRY
    settled = office.settle(begin(office, call="last"), Status.RETRY, reason=reason)
    assert (settled.outcome.status, settled.failures) == (status, RETRIES_MAX + 1)


@pytest.mark.parametrize(
    ("status", "reason", "labels"),
    [
        (Status.FAILED, Reason.ERROR, set()),
        (Status.FAILED_VALIDATION, Reason.CHECKS, {"perhaps_in:staging"}),
        (Status.FAILED, Reason.IN_DOUBT, {"perhaps_in:staging"}),
        (Status.DENIED, Reason.PREVIEW, set()),
    ],
)
def test_only_a_success_moves_facts(office, status, reason, labels):
    """A resource enters a zone only when the action succeeded; where nobody knows, it may have, and counts so."""
    office.settle(begin(office, args={"id": "1", "env": "staging"}), status, reason=reason)
    found = office.store.read(lambda tx: tx.resource("vm/1"))
    assert (found.zone, set(found.labels)) == (None, labels)
    office.settle(begin(office, args={"id": "1", "env": "staging", "again": True}, call="c2"))
    found = office.store.read(lambda tx: tx.resource("vm/1"))
    assert (found.zone, set(found.labels)) == ("staging", set())


def test_what_may_have_entered_a_zone_is_judged_for_it(office):
    """A retag whose result was invalid may have happened: the next change is judged for production too."""
    held = office.admit("vm.tag", {"id": "1", "env": "prod"})
    office.approve(held.ticket.id)
    go = office.admit("vm.tag", {"id": "1", "env": "prod"})
    office.settle(go, Status.FAILED_VALIDATION, reason=Reason.CHECKS)
    again = office.admit("vm.tag", {"id": "1"})
    assert again.outcome.reason is Reason.RULE


def test_the_resource_is_read_from_the_result(office):
    """What was made is named by the result, and remembered under that name."""
    office.settle(begin(office, "vm.make", {"env": "staging"}), result={"id": "77"})
    (row,) = office.rows(RecordKind.OUTCOME)
    assert row.resource == "vm/77"
    need = Need("", "", "k", ("bot",), ("vm/77",))
    assert office.store.read(lambda tx: tx.facts(need)).resources["vm/77"].zone == "staging"


@pytest.mark.parametrize("result", [{}, {"id": None}, None, [], "77"])
def test_a_resource_that_cannot_be_told(office, result):
    """It ran, but on what? A person has to look; it is never called a success."""
    go = begin(office, "vm.make", {"env": "staging"})
    settled = office.settle(go, result=result)
    assert settled.outcome.status is Status.HUMAN_REVIEW_REQUIRED
    assert settled.outcome.reason is Reason.RESOURCE_UNKNOWN
    assert f"handrail log resolve {go.action.id}" in settled.outcome.why
    assert office.rows(RecordKind.OUTCOME)[0].status == "human_review_required"


def test_secrets_are_not_written(office):
    """Redacted paths of the result stand nowhere, and such a result is not kept."""
    go = begin(office, "vm.login", {"id": "1", "password": "sesame"})
    office.settle(go, result={"token": "sesame", "ok": True}, size=30)
    assert "sesame" not in repr(office.rows())
    assert office.rows(RecordKind.OUTCOME)[0].body["result"] == {"token": "[redacted]", "ok": True}
    assert call_of(office, go).result is None


@pytest.mark.parametrize(
    ("size", "shown", "kept"),
    [(SHOWN_BYTES_MAX, True, True), (SHOWN_BYTES_MAX + 1, False, True), (KEPT_BYTES_MAX + 1, False, False)],
)
def test_large_results(new_office, policy_text, size, shown, kept):
    """Up to 4 KiB stand in the journal, up to 256 KiB are kept for the same call; of more, the size."""
    office = new_office(policy_text.replace("redact: [args.password, result.token]", ""))
    go = begin(office)
    office.settle(go, result="r", size=size)
    body = office.rows(RecordKind.OUTCOME)[0].body
    assert ("result" in body, "result_bytes" in body) == (shown, not shown)
    assert (call_of(office, go).result is not None) is kept


def test_opaque_results(office):
    """A result without a JSON form is named, and not kept."""
    go = begin(office)
    office.settle(go, opaque="It is a socket.")
    assert office.rows(RecordKind.OUTCOME)[0].body["opaque"] == "It is a socket."
    assert call_of(office, go).result is None


def test_violations_are_bounded(office):
    """A result with a thousand faults writes twenty of them."""
    faults = tuple(Violation("checks", f"p{n}", "bad") for n in range(1_000))
    office.settle(begin(office), Status.FAILED_VALIDATION, violations=faults, why="bad")
    assert len(office.rows(RecordKind.OUTCOME)[0].body["violations"]) == 20


def test_what_was_learned_is_stored_with_the_outcome(office):
    """Shape and drift events go into the same transaction, and each sentence comes back."""
    go = begin(office)
    command = Settle(go, Outcome(Status.SUCCESS), 1, returned=True)
    learned = Learned('{"v":1}', ({"sentence": "It drifts.", "field": "a"},))
    settled = office.store.transact(lambda tx: settle(tx, command, office.desk.policy, learned))
    assert settled.drift == ("It drifts.",)
    assert office.store.read(lambda tx: tx.shape("vm.tag")) == '{"v":1}'
    assert [row.reason for row in office.rows(RecordKind.EVENT)] == ["drift"]


ZONES = """
version: 1
zones: {production: [prod]}
agents: {bot: {access: write}}
tools:
  look: {do: read, resource: "vm/{args.id}", zone: args.env}
  copy: {do: copy, resource: "vm/{args.id}", to: "vm/{args.to}", zone: args.env}
"""


def test_which_resource_enters_a_zone(new_office):
    """Of a copy its target; of a read none."""
    office = new_office(ZONES)
    office.settle(begin(office, "look", {"id": "1", "env": "prod"}))
    office.settle(begin(office, "copy", {"id": "2", "to": "3", "env": "prod"}, call="c2"))
    need = Need("", "", "k", ("bot",), ("vm/1", "vm/2", "vm/3"))
    assert set(office.store.read(lambda tx: tx.facts(need)).resources) == {"vm/3"}


LIMITED = """
version: 1
reviewers: [dana, kim, bot]
zones: {production: [prod]}
agents: {bot: {access: write, owner: dana}}
tools:
  vm.get: {do: read, resource: "vm/{args.id}"}
  vm.put: {do: update, resource: "vm/{args.id}", zone: args.env?, idempotent: true, ask: never, before: {call: vm.get, args: {id: args.id}}}
rules:
  - {id: two, for: vm.put, at_most: {count: 2, per: agent, within: 24h}, then: deny}
"""


@pytest.mark.parametrize("reason", [Reason.ERROR, Reason.STALE])
def test_what_certainly_did_nothing_uses_up_nothing(new_office, reason):
    """A change that was refused as stale counts against no limit, and takes its labels back."""
    office = new_office(LIMITED)
    for n in range(4):
        go = begin(office, "vm.put", {"id": "1", "env": "prod", "n": n}, call=f"c{n}")
        office.settle(go, Status.FAILED, reason=reason)
    assert office.store.read(lambda tx: tx.resource("vm/1")).labels == {}
    for n in range(2):
        office.settle(begin(office, "vm.put", {"id": "1", "m": n}, call=f"d{n}"))
    assert office.admit("vm.put", {"id": "1", "m": 3}).outcome.reason is Reason.LIMIT


def test_the_after_image_stands_as_its_digest(office):
    """What an action left is told by its digest, beside the result; without it nothing stands there."""
    go = begin(office)
    command = Settle(go, Outcome(Status.SUCCESS), 1, returned=True, after=Seen({"size": 2}))
    office.store.transact(lambda tx: settle(tx, command, office.desk.policy))
    assert office.rows(RecordKind.OUTCOME)[0].body["after"] == digest({"size": 2})
    office.settle(begin(office, call="c2"))
    assert "after" not in office.rows(RecordKind.OUTCOME)[1].body


def test_an_after_image_of_null(office):
    """That there is nothing now is seen as well."""
    command = Settle(begin(office), Outcome(Status.SUCCESS), 1, returned=True, after=Seen(None))
    office.store.transact(lambda tx: settle(tx, command, office.desk.policy))
    assert office.rows(RecordKind.OUTCOME)[0].body["after"] == digest(None)
