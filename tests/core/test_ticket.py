"""Tickets move along a table, approvals are signatures over one plan, grants match what they name."""

import fnmatch
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import handrail
from handrail.core.digest import canonical, to_json
from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.core.ticket import (
    GRANT_HOURS_MAX,
    GRANT_USES_MAX,
    NEXT,
    Grant,
    Reviewer,
    Ticket,
    TicketState,
    flatten,
)
from handrail.policy import loads
from handrail.review import decide
from handrail.stores.memory import MemoryStore
from handrail.testing import Clock
from handrail.workspace import Workspace

quick = settings(deadline=None, suppress_health_check=list(HealthCheck))
TICKET = Ticket(
    "T-1", "nonce", "digest", "key", "bot", "bot", "dana", True, "run", "vm.drop", ("a", "b"), {},
    TicketState.APPROVED, 10, 20, 15, 30, "kim", "fine", "00",
)  # fmt: skip
GRANT = Grant("G-1", "bot", "t", ("a",), {"id": "lead/*"}, 0, 5, 100, "kim", "policy")


def test_every_state_is_in_the_table():
    """Each state says where it may go; an answer is never taken back."""
    assert set(NEXT) == set(TicketState)
    for end in (TicketState.DENIED, TicketState.SPENT, TicketState.EXPIRED, TicketState.STALE):
        assert NEXT[end] == frozenset()
    assert TicketState.SPENT not in NEXT[TicketState.PENDING]
    assert all(TicketState.PENDING not in following for following in NEXT.values())


POLICY = """
version: 1
four_eyes: false
reviewers: [kim]
agents: {bot: {access: write}}
tools:
  get: {do: read, resource: "vm/{args.id}"}
  drop: {do: delete, resource: "vm/{args.id}", before: {call: get, args: {id: args.id}}}
"""
OTHER = POLICY + "rules: [{id: all, for: drop, then: ask}]\n"
SECRET = "the secret of kim"
OPS = st.lists(
    st.tuples(
        st.sampled_from(["call", "call", "call", "approve", "approve", "deny", "soon", "later", "touch", "reload"]),
        st.integers(0, 1),
    ),
    min_size=5,
    max_size=25,
)


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
@given(OPS)
def test_a_random_walk_stays_in_the_table(fast_keys, ops):
    """However calls, decisions, time, changes underneath and new policies mix: only transitions of the table.

    Each approval lets the tool run at most once, and only what a person approved runs.
    """
    from tests.core.conftest import enroll

    clock = Clock()
    store = MemoryStore(clock)
    hr = Workspace(loads(POLICY, source="a.yaml"), store)
    hr.host.clock_us = clock
    world = {"0": 0, "1": 0}
    ran = []
    hr.tool("get")(lambda id: world[id])

    @hr.tool("drop")
    def drop(id: str) -> None:
        ran.append(id)

    store.transact(lambda tx: tx.put_reviewer(enroll("kim", SECRET)))
    approvals = 0
    for op, which in ops:
        if op == "call":
            with hr.run("bot"):
                try:
                    drop(str(which))
                except handrail.ActionError:
                    pass
        elif op in ("approve", "deny"):
            answer = decide.approve if op == "approve" else decide.deny
            waiting = store.read(lambda tx: tx.tickets())
            if waiting:
                try:
                    answer(store, hr.policy, waiting[which % len(waiting)].id, reviewer="kim", secret=SECRET)
                    approvals += op == "approve"
                except handrail.ReviewError:
                    pass
        elif op == "touch":
            world[str(which)] += 1
        elif op == "reload":
            hr.host.desk = replace(hr.host.desk, policy=loads((POLICY, OTHER)[which], source="a.yaml"))
        else:
            clock.forward(600 if op == "soon" else 1_801)
    rows = store.read(lambda tx: list(tx.records(Query(kinds=(RecordKind.REVIEW,), limit=10_000))))
    last = {}
    for row in rows:
        id, state = row.record.body["ticket"], TicketState(row.record.body["state"])
        assert state in NEXT[last[id]] if id in last else state is TicketState.PENDING
        last[id] = state
    assert {ticket.id: ticket.state for ticket in store.read(lambda tx: tx.tickets())} == last
    assert len(ran) == sum(state is TicketState.SPENT for state in last.values()) <= approvals
    assert store.verify().faults == ()


def test_answers_only_the_rules_it_names():
    """A ticket satisfies the rules that it was asked for, and no others."""
    assert TICKET.answers(frozenset({"a"}))
    assert TICKET.answers(frozenset({"a", "b"}))
    assert not TICKET.answers(frozenset({"a", "c"}))


SIGNED = ["id", "nonce", "digest", "agent", "rules", "by", "decided_us", "valid_until_us"]
UNSIGNED = {"asked_us": 1, "note": "x", "run": "x", "action": "x"}


@pytest.mark.parametrize("name", SIGNED)
def test_a_signature_covers(name):
    """Changing the ticket's identity, plan, agent, rules, reviewer or validity breaks the signature."""
    value = getattr(TICKET, name)
    other = (*value, "c") if isinstance(value, tuple) else value + type(value)(1)
    assert replace(TICKET, **{name: other}).signed() != TICKET.signed()


def test_a_refusal_is_no_approval():
    """The signature of a denial cannot be used for an approval; spending an approval keeps its signature."""
    assert replace(TICKET, state=TicketState.DENIED).signed() != TICKET.signed()
    assert replace(TICKET, state=TicketState.SPENT).signed() == TICKET.signed()
    assert replace(TICKET, **UNSIGNED).signed() == TICKET.signed()


@pytest.mark.parametrize(
    "change",
    [
        {"id": "G-2"}, {"agent": "x"}, {"tool": "x"}, {"rules": ("a", "b")}, {"pattern": {"id": "*"}},
        {"rows_max": 1}, {"uses_max": 20}, {"until_us": 101}, {"by": "dana"}, {"policy": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_a_grants_signature_covers(change):
    """Everything that a reviewer gave is signed; what the store counts is not."""
    assert replace(GRANT, **change).signed() != GRANT.signed()
    assert replace(GRANT, uses=3, revoked=True, signature="x").signed() == GRANT.signed()


def test_a_grant_covers_what_it_names():
    """The same rules, policy and arguments, while it lasts."""
    assert GRANT.covers({"id": "lead/7"}, frozenset({"a"}), "policy", 99)
    assert GRANT.covers({"id": "lead/7"}, frozenset(), "policy", 99)


@pytest.mark.parametrize(
    ("change", "args", "rules", "policy", "now"),
    [
        ({"revoked": True}, {"id": "lead/7"}, {"a"}, "policy", 0),
        ({"uses": 5}, {"id": "lead/7"}, {"a"}, "policy", 0),
        ({"uses": GRANT_USES_MAX, "uses_max": 99}, {"id": "lead/7"}, {"a"}, "policy", 0),
        ({}, {"id": "lead/7"}, {"a"}, "policy", 100),
        ({}, {"id": "lead/7"}, {"a"}, "another", 0),
        ({}, {"id": "lead/7"}, {"a", "b"}, "policy", 0),
        ({}, {"id": "order/7"}, {"a"}, "policy", 0),
        ({}, {"id": "LEAD/7"}, {"a"}, "policy", 0),
        ({}, {"id": "lead/7", "extra": 1}, {"a"}, "policy", 0),
        ({}, {}, {"a"}, "policy", 0),
        ({}, {"id": ["lead/7"]}, {"a"}, "policy", 0),
        ({}, {"id": {"x": "lead/7"}}, {"a"}, "policy", 0),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_a_grant_does_not_cover(change, args, rules, policy, now):
    """Revoked, used up, over, of another policy, for other rules, or for arguments that it does not name."""
    assert not replace(GRANT, **change).covers(args, frozenset(rules), policy, now)


def test_the_bounds_of_grants():
    """Twenty uses, a day."""
    assert (GRANT_USES_MAX, GRANT_HOURS_MAX) == (20, 24)


NAME = st.text("ab.#\\", max_size=3)
TEXT = st.text("ab*?[]!-1", max_size=4)
LEAF = TEXT | st.integers(-2, 2) | st.booleans() | st.none() | st.lists(st.integers(0, 1) | TEXT, max_size=2)
ARGS = st.recursive(
    st.dictionaries(NAME, LEAF, max_size=3), lambda inner: st.dictionaries(NAME, LEAF | inner, max_size=3), max_leaves=5
)


@quick
@given(ARGS, ARGS)
def test_an_exact_pattern_covers_its_arguments_only(asked, later):
    """Arguments without wildcards are covered exactly when they are the same, types and odd names included."""
    pattern = {path: decide._literal(text) for path, text in flatten(asked).items()}
    grant = replace(GRANT, pattern=pattern)
    assert grant.covers(asked, frozenset(), "policy", 0)
    assert grant.covers(later, frozenset(), "policy", 0) == (canonical(later) == canonical(asked))


@quick
@given(st.text("ab/*?", max_size=6), st.text("ab/\n", max_size=6))
def test_globs(glob, text):
    """A pattern is a glob over the whole text, with case."""
    grant = replace(GRANT, pattern={"id": glob})
    assert grant.covers({"id": text}, frozenset(), "policy", 0) == fnmatch.fnmatchcase(text, glob)


def test_flatten():
    """Every text by its dotted path; other leaves are marked, as canonical JSON; odd names are escaped."""
    assert flatten({"a": {"b": {"c": "x"}, "d": []}, "e": {}, "f": 1.0, "g": None, "h": [1, {"i": 2}], "i.j#": "y"}) == {
        "a.b.c": "x", "a.d#": "[]", "e#": "{}", "f#": "1", "g#": "null", "h#": '[1,{"i":2}]', "i\\.j\\#": "y",
    }  # fmt: skip


@pytest.mark.parametrize(("asked", "later"), [(1, "1"), (True, "true"), (None, "null"), ([], "[]"), ({}, "{}")])
def test_a_grant_keeps_types(asked, later):
    """What was granted for a number is not granted for the text that looks like it."""
    pattern = {path: decide._literal(text) for path, text in flatten({"x": asked}).items()}
    assert not replace(GRANT, pattern=pattern).covers({"x": later}, frozenset(), "policy", 0)


def test_a_dotted_name_hides_no_argument():
    """Every argument is compared, also when its name holds a dot."""
    grant = replace(GRANT, pattern=flatten({"a.b": "safe"}))
    assert not grant.covers({"a": {"b": "anything"}, "a.b": "safe"}, frozenset(), "policy", 0)


def test_values_of_people():
    """A reviewer is a name, a salt and a public key; nothing secret."""
    assert to_json(Reviewer("kim", "aa", "bb")) == {"name": "kim", "salt": "aa", "public_key": "bb", "added_us": 0}
