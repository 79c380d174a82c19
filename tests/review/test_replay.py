"""What a reviewer is shown, built from a transaction alone."""

from dataclasses import dataclass

import pytest

from handrail.core.admission import review_record
from handrail.core.record import Record, RecordKind
from handrail.core.ticket import Reviewer, Ticket, TicketState
from handrail.core.tool import Tool
from handrail.review.replay import (
    BEGUN,
    PAST_MAX,
    RESOURCES_MAX,
    STEPS_MAX,
    WORDS_MAX,
    replay,
    state_of,
)
from handrail.stores.memory import MemoryStore

NOW = 1_000_000_000


@dataclass
class People:
    reviewers: tuple[str, ...] = ("dana", "kim", "bot")
    four_eyes: bool = True
    places: tuple[str, ...] = ()

    def tool(self, name):
        """Return a tool whose arguments no agent writes, where the policy declares its place."""
        return Tool(name, None, asks=lambda args: ()) if name.partition(".")[0] in self.places else None


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


SHOP = People(places=("shop",))


def change_ticket(*effects, id="T-1", tool="shop.apply_change", at="row/shop/lead", args=None, **more):
    """Return a ticket about a planned change of one table."""
    said = {"change": "c" * 64, "rows": 9, "touches": [{"do": "update", "at": at, "rows": 9}], **(args or {})}
    view = {"args": said, "before": {"rows": 9, "samples": []}, "undo": "shop.undo_change", **more.pop("view", {})}
    return ticket(*(effects or [effect(resource=at)]), id=id, tool=tool, view=view, **more)


def changed(action, *resources, run="other", tool="shop.apply_change", verb="update", **more):
    """Return an attempt to change rows; the journal names the first of them."""
    effects = [effect(verb, resource) for resource in resources]
    return attempt(action, run=run, tool=tool, resource=resources[0], effects=effects, **more)


def ended(action, resource, tool="shop.apply_change"):
    """Return how that attempt ended."""
    body = {"attempt": 0}
    return Record(RecordKind.OUTCOME, action, "other", "bot", tool, resource, "success", "", body)


def test_a_planned_change_brings_its_rows(store):
    """Then the fields are the arguments alone, whatever the picture has in common with them."""
    found = told(store, change_ticket(), SHOP)
    assert found.planned.rows == 9
    assert not found.change.compared
    assert found.sentence == "bot wants to update 9 rows of lead in shop."


def test_what_no_policy_calls_a_place_is_no_planned_change(store):
    """Its arguments are an agent's, whatever they look like."""
    found = told(store, change_ticket())
    assert found.planned is None
    assert found.sentence == "bot wants to update row/shop/lead with shop.apply_change."


def test_the_statement_is_always_quoted_and_nothing_else_of_a_change(store):
    """Also when it is short; a digest and a long name of ours are no words of the agent."""
    at = "row/shop/" + "l" * 80
    asked = change_ticket(at=at, args={"statement": "DELETE x"}, view={})
    assert [(word.where, word.text) for word in told(store, asked, SHOP).words] == [("args.statement", "DELETE x")]
    asked = change_ticket(view={"goal": "go"})
    assert [(word.where, word.text) for word in told(store, asked, SHOP).words] == [("goal", "go")]


def test_the_chain_of_a_table_has_every_change_in_it_and_no_reads(store):
    """Changes of few rows stand in the journal under the first row, so they are found by what they touched."""
    write(
        store,
        changed("one", "row/shop/lead/3", "row/shop/lead/4"),
        ended("one", "row/shop/lead/3"),
        changed("many", "row/shop/lead"),
        changed("undone", "row/shop/lead/5", tool="shop.undo_change"),
        changed("elsewhere", "row/shop/leader", "row/shop/task/3"),
        changed("look", "row/shop/lead", tool="shop.query", verb="read"),
        ended("look", "row/shop/lead", tool="shop.query"),
        changed("again", "row/shop/lead", tool="shop.apply_change", verb="read"),
        changed("own", "row/shop/lead", run="r"),
    )
    _, chain = told(store, change_ticket(), SHOP).chains
    assert chain.name == "row/shop/lead"
    assert [(step.action, step.status) for step in chain.steps] == [
        ("one", "success"),
        ("many", BEGUN),
        ("undone", BEGUN),
    ]


def test_what_others_only_tried_is_not_what_they_changed(store):
    """Held, denied and clearly failed attempts are left out; the same call that was made after approval is not."""
    failed = Record(
        RecordKind.OUTCOME,
        "failed",
        "other",
        "bot",
        "shop.apply_change",
        "row/shop/lead",
        "failed",
        "stale",
        {"attempt": 0},
    )
    write(
        store,
        changed("held", "row/shop/lead", status="human_review_required", reason="destructive"),
        changed("denied", "row/shop/lead", status="denied", reason="rule"),
        changed("failed", "row/shop/lead"),
        failed,
        changed("held", "row/shop/lead"),
        ended("held", "row/shop/lead"),
    )
    _, chain = told(store, change_ticket(), SHOP).chains
    assert [(step.action, step.status) for step in chain.steps] == [("held", "success")]


def test_the_chain_of_a_row_has_changes_of_it_and_of_its_whole_table(store):
    """Also where it was not the first of them."""
    write(
        store,
        changed("one", "row/shop/lead/3", "row/shop/lead/4"),
        changed("many", "row/shop/lead"),
        changed("another", "row/shop/lead/40"),
    )
    asked = change_ticket(effect(resource="row/shop/lead/4"))
    _, chain = told(store, asked, SHOP).chains
    assert (chain.name, [step.action for step in chain.steps]) == ("row/shop/lead/4", ["one", "many"])


def test_similar_decisions_are_those_about_the_same_table_first(store):
    """In words, so that a number of rows can be compared."""
    decided = {"state": TicketState.DENIED, "by": "dana"}
    same = change_ticket(id="T-2", decided_us=1, **decided)
    other = change_ticket(id="T-3", at="row/shop/task", decided_us=2, **decided)
    store.transact(lambda tx: [tx.put_ticket(one) for one in (same, other)])
    past = told(store, change_ticket(), SHOP).past
    assert [(one.ticket, one.what) for one in past] == [
        ("T-2", "update 9 rows of lead in shop"),
        ("T-3", "update 9 rows of task in shop"),
    ]
