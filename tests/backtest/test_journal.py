"""The recorded journal, decided again."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import handrail
from handrail.backtest import journal as journal_module
from handrail.backtest.asks import Asks
from handrail.backtest.journal import Journal, Skipped
from handrail.backtest.trial import Trial
from handrail.policy import loads
from handrail.review import decide
from handrail.stores.memory import MemoryStore
from handrail.workspace import Workspace

POLICY = """\
version: 1
reviewers: [kim]
agents: {bot: {access: write, owner: dana}, reader: }
zones: {production: [prod]}
redact: [args.password]
tools:
  get: {do: read, resource: "lead/{args.id}"}
  set: {do: update, resource: "lead/{args.id}", zone: args.env?, ask: never, before: {call: get, args: {id: args.id}}}
  drop: {do: delete, resource: "lead/{args.id}"}
  login: {do: execute}
  new: {do: create, resource: "lead/{result.id}"}
rules:
  - {id: production, when: effect.zone == "production", then: ask}
"""
SECRET = "kim's secret"


class Past:
    """A store in which agents acted under `POLICY`."""

    def __init__(self):
        self.now_us = 1_780_000_000_000_000
        self.store = MemoryStore(lambda: self.now_us)
        self.policy = loads(POLICY)
        self.hr = Workspace(self.policy, self.store)
        self.hr.host.sleep = lambda _: None
        self.hr.host.roll = lambda: 0.0
        self.failing = 0
        decide.add_reviewer(self.store, self.policy, "kim", SECRET)

        def get(id: str) -> dict[str, object]:
            if self.failing:
                self.failing -= 1
                raise RuntimeError("timeout")
            return {"id": id}

        def write(id: str, env: str = "dev") -> dict[str, object]:
            return {"id": id}

        def drop(id: str) -> dict[str, object]:
            return {}

        def login(password: str) -> dict[str, object]:
            return {}

        self.tools = {"get": get, "set": write, "drop": drop, "login": login, "new": drop}
        self.tools = {name: self.hr.tool(name)(function) for name, function in self.tools.items()}

    def act(self, tool, *args, agent="bot", run="r", call=None):
        """Make one guarded call; return its value or what it raised."""
        self.now_us += 1_000_000
        with self.hr.run(agent, id=run) as began:
            try:
                if call is None:
                    return self.tools[tool](*args)
                with began.call(call):
                    return self.tools[tool](*args)
            except (handrail.HandrailError, handrail.Killed, RuntimeError) as error:
                return error

    def again(self, change=("", ""), asks=Asks.APPROVED):
        """Replay under the policy with one change; return the journal and what came of each attempt."""
        journal = Journal(self.store, Trial(loads(POLICY.replace(*change)), asks))
        return journal, [(one.was, one.course.decision, one.course.rule, one.course.status) for one in journal]


@pytest.fixture
def past():
    return Past()


def test_the_same_policy_changes_nothing(past):
    """Whatever happened: read, write, refused, failed and repeated, held, approved."""
    past.act("get", "a")
    past.act("set", "a")
    past.act("set", "a", agent="reader")
    past.failing = 2
    past.act("get", "b")
    held = past.act("set", "c", "prod", call="x")
    decide.approve(past.store, past.policy, held.ticket, reviewer="kim", secret=SECRET)
    past.act("set", "c", "prod", call="x")
    journal, said = past.again()
    assert [was == now for was, now, _, _ in said] == [True] * len(said)
    assert said == [
        ("allow", "allow", None, "success"),
        ("allow", "allow", None, "success"),
        ("deny", "deny", "access", "denied"),
        ("allow", "allow", None, "retry"),
        ("allow", "allow", None, "retry"),
        ("allow", "allow", None, "success"),
        ("ask", "ask", "production", "human_review_required"),
        ("ask", "ask", "production", "success"),
    ]
    assert journal.skipped == {Skipped.OURS: 3}
    assert journal.trial.store.zones["lead/c"] == "production"


def test_a_stricter_policy(past):
    """What ran then would ask now, and counts as approved or refused, as one says."""
    past.act("set", "a")
    past.act("set", "a")
    change = ("ask: never, ", "")
    assert past.again(change)[1] == [("allow", "ask", "destructive", "success")] * 2
    assert past.again(change, Asks.REFUSED)[1] == [
        ("allow", "ask", "destructive", "denied"), ("allow", "ask", "denial_memory", "denied")
    ]  # fmt: skip


def test_a_looser_policy(past):
    """What was refused would run; what it would return, nobody knows."""
    past.act("new", "a", agent="reader")
    (said,) = past.again(("reader: ", "reader: {access: write}"))[1]
    assert said == ("deny", "allow", None, "human_review_required")


def test_what_asked_would_run_now(past):
    """A question less."""
    past.act("drop", "a")
    assert past.again(("drop: {do: delete", "drop: {ask: never, do: delete"))[1] == [("ask", "allow", None, "success")]


def test_the_times_of_the_journal(past):
    """Are those of the replay: a window passes as it passed."""
    past.act("get", "a")
    past.act("get", "b")
    past.now_us += 2 * 3_600_000_000
    past.act("get", "c")
    rule = "rules:\n  - {id: once, for: get, at_most: {count: 1, within: 1h}, then: deny}\n"
    assert [(now, one) for _, now, one, _ in past.again(("rules:\n", rule))[1]] == [
        ("allow", None), ("deny", "once"), ("allow", None)
    ]  # fmt: skip


def test_a_person_refused(past):
    """And it sticks in the replay as it did then, until a person cleared it."""
    held = past.act("set", "a", "prod")
    decide.deny(past.store, past.policy, held.ticket, reviewer="kim", secret=SECRET)
    past.act("set", "a")
    decide.clear(past.store, past.policy, "lead/a", reviewer="kim", secret=SECRET)
    past.act("set", "a")
    assert [(was, now, rule) for was, now, rule, _ in past.again()[1]] == [
        ("ask", "ask", "production"), ("ask", "ask", "denial_memory"), ("allow", "allow", None)
    ]  # fmt: skip


def test_what_was_pruned(past):
    """Is not replayed, and counted."""
    past.act("get", "a")
    past.act("get", "b")
    past.store.prune(past.now_us + 1)
    past.act("get", "c")
    journal, said = past.again()
    assert said == [("allow", "allow", None, "success")]
    assert journal.skipped == {Skipped.PRUNED: 2}


def test_secrets_are_not_replayed(past):
    """The journal does not have them. A call id used twice is not the policy's doing."""
    past.act("login", "hunter22")
    past.act("get", "a", call="same")
    past.act("get", "b", call="same")
    journal, said = past.again()
    assert said == [("allow", "allow", None, "success")]
    assert journal.skipped == {Skipped.REDACTED: 1, Skipped.ELSEWHERE: 1}


def test_the_decision_of_observe_mode(past):
    """Is the one that was only recorded."""
    past.hr = Workspace(loads(POLICY + "mode: observe\n"), past.store)
    drop = past.hr.tool("drop")(lambda id: {})
    with past.hr.run("bot"):
        drop("a")
    assert past.again()[1] == [("ask", "ask", "destructive", "success")]


def test_what_never_ended(past):
    """Is told at the end; it is in flight for what came after it."""
    past.act("get", "a")
    past.store.rows.pop()
    past.act("get", "b")
    journal = Journal(past.store, Trial(past.policy))
    assert [(one.course.attempt.args["id"], one.course.status) for one in journal] == [("b", "success"), ("a", "")]


def test_pages(past, monkeypatch):
    """A long journal is read a page at a time, and no row is lost or read twice."""
    monkeypatch.setattr(journal_module, "PAGE", 2)
    for number in range(9):
        past.act("get", f"l{number}")
    journal = Journal(past.store, Trial(past.policy))
    assert [one.course.attempt.args["id"] for one in journal] == [f"l{number}" for number in range(9)]
    assert journal.seq == journal.last()
    assert list(Journal(MemoryStore(), Trial(past.policy))) == []


def test_the_line_for_machines(past):
    """Is that of a trace, and what it was."""
    past.act("drop", "a", call="x")
    (change,) = Journal(past.store, Trial(past.policy))
    assert not change.differs
    assert change.to_json() == {**change.course.to_json(), "was": "ask"}
    assert change.to_json()["call"] == "x"


ACTS = st.tuples(
    st.sampled_from(["get", "set", "drop", "new"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["dev", "prod"]),
    st.sampled_from(["bot", "reader"]),
    st.sampled_from(["approve", "deny", "leave"]),
    st.sampled_from([0, 0, 3]),
    st.sampled_from([0, 700_000_000]),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTS, min_size=1, max_size=8))
def test_any_past_is_decided_as_it_was(acts):
    """By the same policy: what agents did, what failed, what people answered or left, and when."""
    past = Past()
    for tool, id, env, agent, answer, failing, pause_us in acts:
        past.now_us += pause_us
        past.failing = failing
        args = (id, env) if tool == "set" else (id,)
        said = past.act(tool, *args, agent=agent)
        past.failing = 0
        if isinstance(said, handrail.ReviewRequired) and said.ticket and answer != "leave":
            decide_it = decide.approve if answer == "approve" else decide.deny
            decide_it(past.store, past.policy, said.ticket, reviewer="kim", secret=SECRET)
            past.act(tool, *args, agent=agent)
    said = past.again()[1]
    assert [was for was, _, _, _ in said] == [now for _, now, _, _ in said]
