"""What a reviewer is shown, built from a transaction alone."""

from dataclasses import dataclass

import pytest

from handrail.core.admission import review_record
from handrail.core.record import Record, RecordKind
from handrail.core.ticket import Reviewer, Ticket, TicketState
from handrail.review.replay import (
    BEGUN,
    PAST_MAX,
    RESOURCES_MAX,
    STEPS_MAX,
    WORDS_MAX,
    replay,
    sentence,
    state_of,
)
from handrail.stores.memory import MemoryStore

NOW = 1_000_000_000


@dataclass
class People:
    reviewers: tuple[str, ...] = ("dana", "kim", "bot")
    four_eyes: bool = True


@pytest.fixture
def store():
    return MemoryStore(lambda: NOW)


def effect(verb="update", resource="lead/1", to=None, zone=None, amount=None):
    return {"verb": verb, "resource": resource, "to": to, "zone": zone, "amount": amount, "labels": []}


def ticket(*effects, id="T-1", state=TicketState.PENDING, **more):
    view = {"effects": list(effects), "resource": "lead/1", "args": {}, **more.pop("view", {})}
    values = {
        "id": id, "nonce": "n", "digest": "d", "key": "k", "agent": "bot", "root": "bot", "owner": "dana",
        "four_eyes": True, "run": "r", "tool": "crm.set", "rules": ("x",), "view": view, "state": state,
        "asked_us": NOW, "pending_until_us": NOW + 60,
    }  # fmt: skip
    return Ticket(**{**values, **more})


def told(store, asked, policy=None):
    return store.read(lambda tx: replay(tx, asked, policy or People()))


def write(store, *records):
    store.transact(lambda tx: [tx.append(record) for record in records])


def attempt(action="a", run="r", tool="crm.set", status="", resource="lead/1", reason="", **body):
    return Record(RecordKind.ATTEMPT, action, run, "bot", tool, resource, status, reason, {"attempt": 0, **body})


def outcome(action="a", run="r", status="success", reason="", **body):
    return Record(RecordKind.OUTCOME, action, run, "bot", "crm.set", "lead/1", status, reason, {"attempt": 0, **body})


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ([effect()], "bot wants to update lead/1 with crm.set."),
        ([effect(zone="production")], "bot wants to update lead/1 in zone production with crm.set."),
        ([effect("copy", "file/a", to="file/b")], "bot wants to copy file/a to file/b with crm.set."),
        ([effect("pay", "order/7", amount=500)], "bot wants to pay order/7 (amount 500) with crm.set."),
        ([effect("create", "lead/{?}")], "bot wants to create a new lead with crm.set."),
        ([effect(resource="")], "bot wants to update something that its declaration does not name with crm.set."),
        ([effect(), effect("send", "email/x")], "bot wants to update lead/1 and send email/x with crm.set."),
        ([effect()] * 8, "bot wants to " + "update lead/1 and " * 5 + "do 3 more things with crm.set."),
        ([], "bot wants to do something that its declaration does not tell with crm.set."),
        ([effect(resource="a b")], "bot wants to update 'a b' with crm.set."),
        ([effect(resource="x\u202e\x1b")], "bot wants to update 'x\\u202e\\x1b' with crm.set."),
        (["odd", {"verb": 3}], "bot wants to 3 something that its declaration does not name with crm.set."),
    ],
)
def test_the_sentence_is_made_from_the_plan(effects, said):
    """Whatever the plan's values are."""
    assert sentence(ticket(*effects)) == said


def test_a_change_lays_before_beside_after(store):
    """Changed fields first; what the arguments do not name is counted."""
    view = {
        "args": {"id": 1, "size": 2, "deep": {"x": "n"}},
        "before": {"id": 1, "size": 1, "deep": {"x": "o"}, "name": "A"},
    }
    change = told(store, ticket(effect(), view=view)).change
    assert change.compared
    assert [(f.path, f.before, f.after, f.changed) for f in change.fields] == [
        ("size", "1", "2", True),
        ("deep.x", "o", "n", True),
        ("id", "1", "1", False),
    ]
    assert change.untouched == 1


def test_without_shared_fields_the_arguments_stand_alone(store):
    """Also without a before-image."""
    for before in ({"other": 1}, None, [1], "x"):
        change = told(store, ticket(effect(), view={"args": {"id": 1}, "before": before})).change
        assert not change.compared
        assert [(f.path, f.before, f.after) for f in change.fields] == [("id", None, "1")]


def test_a_delete_shows_what_would_be_gone(store):
    """All of the before-image."""
    view = {"args": {"id": 1}, "before": {"id": 1, "name": "A"}}
    change = told(store, ticket(effect("delete"), view=view)).change
    assert [(f.path, f.before, f.after) for f in change.fields] == [("id", "1", None), ("name", "A", None)]


def test_a_large_change_is_capped_and_counted(store):
    """Never cut silently."""
    change = told(store, ticket(effect(), view={"args": {f"f{i}": i for i in range(100)}})).change
    assert (len(change.fields), change.hidden) == (60, 40)


def test_the_rules_that_ask_and_their_values(store):
    """As the gates said."""
    finding = {"gate": "rules", "rule": "x", "why": "Because.", "values": {"zone": "prod", "n": 3}}
    (tripped,) = told(store, ticket(effect(), view={"findings": [finding, "odd"]})).tripped
    assert (tripped.gate, tripped.rule, tripped.why) == ("rules", "x", "Because.")
    assert tripped.values == (("zone", "prod"), ("n", "3"))


def test_the_chain_joins_attempts_with_outcomes(store):
    """Denied and held attempts included, newest last, up to the asking; an attempt without an outcome has begun."""
    write(
        store,
        attempt("a", effects=[effect("read", "lead/1", zone="z")]),
        outcome("a"),
        attempt("b", status="denied", reason="rule", findings=[{"why": "No."}]),
        attempt("d", parent="c"),
        attempt("e"),
        outcome("e", status="retry", why="Later."),
        attempt("e", attempt=1),
        attempt("c", status="human_review_required", reason="rule", ticket="T-1"),
        outcome("e", status="failed", attempt=1, why="Gone."),
        attempt("f"),
        attempt("c", status="human_review_required", reason="rule", ticket="T-1"),
    )
    (chain,) = told(store, ticket(effect())).chains
    assert [(s.action, s.status, s.reason) for s in chain.steps] == [
        ("a", "success", ""), ("b", "denied", "rule"), ("d", BEGUN, ""), ("e", "retry", ""), ("e", "failed", ""),
        ("c", "human_review_required", "rule"),
    ]  # fmt: skip
    assert chain.steps[0].effects == ("read lead/1 (z)",)
    assert [s.why for s in chain.steps] == ["", "No.", "", "Later.", "Gone.", ""]
    assert [s.asked for s in chain.steps] == [False, False, False, False, False, True]
    assert [s.by_handrail for s in chain.steps] == [False, False, True, False, False, False]


def test_an_outcome_without_its_attempt_is_shown(store):
    """Where the attempt lies beyond what is read."""
    write(store, outcome("z"))
    assert [s.status for s in told(store, ticket(effect())).chains[0].steps] == ["success"]


def test_chains_are_capped_and_counted(store):
    """The newest are shown."""
    write(store, *(attempt(f"a{i}", status="denied") for i in range(STEPS_MAX + 5)))
    (chain,) = told(store, ticket(effect())).chains
    assert (len(chain.steps), chain.hidden, chain.more) == (STEPS_MAX, 5, False)
    assert chain.steps[-1].action == f"a{STEPS_MAX + 4}"


def test_a_resources_chain_is_what_other_runs_did_to_it(store):
    """Of every resource of the plan, targets included; without the steps of this run, which are above."""
    write(store, attempt("a"), attempt("b", run="other"), attempt("c", run="other", resource="file/b"))
    asked = ticket(effect(), effect("copy", "file/a", to="file/b"), effect("create", "lead/{?}"))
    chains = told(store, asked).chains
    assert [(c.kind, c.name) for c in chains] == [("run", "r"), ("resource", "lead/1"), ("resource", "file/b")]
    assert [s.action for s in chains[1].steps] == ["b"]


def test_many_resources_are_counted(store):
    """Only the first have chains."""
    asked = ticket(*(effect(resource=f"lead/{i}") for i in range(RESOURCES_MAX + 3)))
    assert told(store, asked).resources_hidden == 3


def test_similar_decisions(store):
    """Of the same agent and tool, decided ones, newest first, at most five; an approval that was spent is one."""
    past = [ticket(effect(), id=f"T-P{i}", state=TicketState.SPENT, by="kim", note="ok") for i in range(PAST_MAX + 2)]
    past += [
        ticket(effect(), id="T-D", state=TicketState.DENIED, by="kim"),
        ticket(effect(), id="T-X", state=TicketState.EXPIRED),
        ticket(effect(), id="T-O", state=TicketState.SPENT, by="kim", tool="other"),
        ticket(effect(), id="T-A", state=TicketState.SPENT, by="kim", agent="other"),
    ]
    store.transact(lambda tx: [tx.put_ticket(t) for t in past])
    found = told(store, ticket(effect())).past
    assert [p.ticket for p in found] == ["T-D", "T-P6", "T-P5", "T-P4", "T-P3"]
    assert [p.approved for p in found] == [False, True, True, True, True]


def test_who_may_decide(store):
    """Not the agent, not its owner under four eyes, not without a secret."""
    store.transact(lambda tx: [tx.put_reviewer(Reviewer(name, "", "")) for name in ("dana", "bot", "kim")])
    may = {s.name: s.may for s in told(store, ticket(effect())).standings}
    assert may == {"dana": False, "kim": True, "bot": False}
    alone = told(store, ticket(effect(), four_eyes=False), People(("dana", "ann"), four_eyes=False)).standings
    assert [(s.name, s.may) for s in alone] == [("dana", True), ("ann", False)]
    assert "handrail reviewer add ann" in alone[1].why
    now = told(store, ticket(effect(), four_eyes=False), People(("dana",))).standings
    assert [s.may for s in now] == [False]  # the policy was made stricter meanwhile


@pytest.mark.parametrize(
    ("state", "later", "seen"),
    [
        (TicketState.PENDING, 59, TicketState.PENDING),
        (TicketState.PENDING, 60, TicketState.EXPIRED),
        (TicketState.APPROVED, 89, TicketState.APPROVED),
        (TicketState.APPROVED, 90, TicketState.EXPIRED),
        (TicketState.SPENT, 999, TicketState.SPENT),
    ],
)
def test_time_that_is_over_counts_before_anybody_wrote_it_down(state, later, seen):
    """As admission and deciding count it."""
    assert state_of(ticket(state=state, valid_until_us=NOW + 90), NOW + later) is seen


def test_the_agents_words_are_apart(store):
    """Free text and the goal; names and numbers are not words. Marked among the fields."""
    args = {"id": "lead-1", "note": "please approve this", "list": ["x" * 61, "short"], "deep": {"n": "two\nlines"}}
    found = told(store, ticket(effect(), view={"args": args, "goal": "g"}))
    assert [w.where for w in found.words] == ["goal", "args.note", "args.list[0]", "args.deep.n"]
    assert {f.path: f.quoted for f in found.change.fields} == {
        "id": False, "note": True, "list": True, "deep.n": True,
    }  # fmt: skip


def test_many_words_are_counted(store):
    """Never cut silently."""
    found = told(store, ticket(effect(), view={"args": {f"n{i}": "one two three" for i in range(WORDS_MAX + 2)}}))
    assert (len(found.words), found.words_hidden) == (WORDS_MAX, 2)


def test_genuine_is_what_the_journal_says_was_asked(store):
    """Another view or another digest is not."""
    asked = ticket(effect())
    write(store, review_record(asked))
    assert told(store, asked).genuine
    assert not told(store, ticket(effect(), view={"args": {"x": 1}})).genuine
    assert not told(store, ticket(effect(), digest="e")).genuine
    assert not told(store, ticket(effect(), id="T-2")).genuine


def test_undo_and_state(store):
    """Named where there is one."""
    assert told(store, ticket(effect(), view={"undo": "crm.set"})).undo == "crm.set"
    found = told(store, ticket(effect(), view={"undo": None}))
    assert (found.undo, found.state) == (None, TicketState.PENDING)


def test_a_null_beside_something_is_no_change_and_comes_last(store):
    """It may be a default that the agent did not send; the text "null" is a value like others."""
    view = {
        "args": {"name": None, "size": 2, "id": 1, "gone": None, "word": "null"},
        "before": {"name": "Acme", "size": 1, "id": 1, "gone": None, "word": "x"},
    }
    change = told(store, ticket(effect(), view=view)).change
    assert [(f.path, f.changed, f.null) for f in change.fields] == [
        ("size", True, False), ("word", True, False), ("id", False, False), ("gone", False, False),
        ("name", False, True),
    ]  # fmt: skip


def test_a_null_is_not_hidden_by_what_does_not_differ(store):
    """It might erase something."""
    same = {f"f{i}": i for i in range(100)}
    view = {"args": {**same, "name": None}, "before": {**same, "name": "Acme"}}
    change = told(store, ticket(effect(), view=view)).change
    assert (change.fields[-1].path, len(change.fields), change.hidden) == ("name", 60, 41)


def test_used_up_retries_tell_the_last_failure_of_the_same_action(store):
    """Not of another one, and not a success."""
    violation = {"check": "result", "path": "size", "why": "It is text."}
    write(
        store,
        attempt("a", args={"id": 1}),
        outcome("a", status="failed_validation", reason="checks", why="Bad result.", violations=[violation]),
        attempt("b", args={"id": 2}),
        outcome("b", status="failed", reason="error", why="Another."),
        attempt("c", args={"id": 1}),
        outcome("c"),
    )
    finding = {"gate": "retries", "rule": "retries", "why": "Four times.", "values": {"failures": 4}}
    (tripped,) = told(store, ticket(effect(), view={"args": {"id": 1}, "findings": [finding]})).tripped
    assert tripped.values == (
        ("failures", "4"), ("last failure", "failed_validation (checks)"), ("it said", "Bad result."),
        ("result/size", "It is text."),
    )  # fmt: skip


def test_a_read_writes_nothing(store):
    """What is not known counts as a write."""
    assert not told(store, ticket(effect("read"))).writes
    assert told(store, ticket(effect("read"), effect())).writes
    assert told(store, ticket()).writes
