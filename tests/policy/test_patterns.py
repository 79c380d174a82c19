"""The six patterns: what happened before decides about what may happen now, whoever did it and by whichever tool."""

import pytest

from handrail.core.commands import Go
from handrail.core.outcome import Reason, Status

TOOLS = """\
  get:    {do: read, resource: "lead/{args.id}"}
  put:    {do: update, resource: "lead/{args.id}", ask: never}
  make:   {do: create, resource: "lead/{result.id}"}
  drop:   {do: delete, resource: "lead/{args.id}", ask: never}
  copy:   {do: copy, resource: "lead/{args.id}", to: "lead/{args.to}"}
  move:   {do: move, resource: "lead/{args.id}", to: "lead/{args.to}", ask: never}
  pay:    {do: pay, resource: "order/{args.id}", amount: args.cents}
  send:   {do: send, resource: "email/{args.id}"}
  plan:   {do: read, resource: "stack/{args.id}"}
  apply:  {do: execute, resource: "stack/{args.id}"}"""


def rule(text):
    return f"  - {{id: r, {text}}}"


# --- requires ---------------------------------------------------------------------------------------------------------


def test_requires_success_before(room):
    """A must have succeeded on the same resource, in the same run, before B."""
    here = room(TOOLS, rule("for: put, requires: {tool: get, same: resource}, then: deny"))
    assert here.does("put") == "deny"
    assert here.does("get", status=Status.FAILED) == "allow"
    assert here.does("put") == "deny", "a failure is no evidence"
    assert here.does("get", {"id": "2"}) == "allow"
    assert here.does("put") == "deny", "another resource is no evidence"
    here.does("get", run="r2")
    assert here.does("put") == "deny", "another run is no evidence"
    here.does("get")
    assert here.does("put") == "allow"
    assert here.does("put", {"id": "2"}) == "allow"


def test_requires_tells_what_to_do(room):
    """The refusal names what has to be done first, and is not remembered against the resource."""
    here = room(TOOLS, rule("for: put, requires: {tool: get, same: resource}, then: deny"))
    refused = here.start("put")
    assert refused.outcome.reason is Reason.PRECONDITION
    assert "get has to succeed on lead/1 first by this run" in refused.outcome.why
    assert here.does("get") == "allow"
    assert here.does("put") == "allow"


def test_evidence_in_flight_is_none(room):
    """A read that has not ended is no evidence."""
    here = room(TOOLS, rule("for: put, requires: {tool: get, same: resource}, then: deny"))
    going = here.start("get")
    assert here.does("put") == "deny"
    here.end(going)
    assert here.does("put") == "allow"


def test_our_own_calls_and_relatives_are_no_evidence(room):
    """What Handrail reads for a plan, and what another agent of the lineage reads, satisfies nothing."""
    here = room(TOOLS, rule("for: put, requires: {tool: get, same: resource, per: agent}, then: deny"))
    here.end(here.start("get", parent="a0"))
    here.does("get", agent="bot/child")
    here.does("get", agent="other")
    assert here.does("put") == "deny"


def test_evidence_grows_old_and_can_be_used_up(room):
    """`within` bounds its age; with `once`, it serves a single action."""
    old = room(TOOLS, rule("for: put, requires: {tool: get, same: resource, within: 10m}, then: deny"))
    old.does("get")
    old.clock.forward(599)
    assert old.does("put") == "allow"
    old.clock.forward(2)
    assert old.does("put") == "deny"
    once = room(TOOLS, rule("for: apply, requires: {tool: plan, same: resource, once: true}, then: deny"))
    once.does("plan")
    assert once.does("apply") == "allow"
    assert once.does("apply") == "deny"
    once.does("plan")
    assert once.does("apply") == "allow"


def test_evidence_can_depend_on_its_result(room):
    """A plan that would destroy something is no evidence; one whose result cannot be told neither."""
    text = 'for: apply, requires: {tool: plan, when: "result.destroys == 0", same: resource}, then: deny'
    here = room(TOOLS, rule(text))
    here.does("plan", result={"destroys": 3})
    assert here.does("apply") == "deny"
    here.does("plan", result="nothing")
    assert here.does("apply") == "deny"
    here.does("plan", result={"destroys": 0})
    assert here.does("apply") == "allow"


def test_requires_a_named_resource(room):
    """An action whose resource is not known yet has no evidence."""
    here = room(TOOLS, rule("for: make, requires: {tool: get, same: resource}, then: deny"))
    here.does("get")
    assert here.does("make", {}) == "deny"


# --- forbids_after ----------------------------------------------------------------------------------------------------


def test_forbids_after(room):
    """Once A ran, in flight included, B is refused for the whole lineage, in every run."""
    here = room(TOOLS, rule("for: send, forbids_after: {tool: get}, then: deny"))
    assert here.does("send") == "allow"
    here.start("get", agent="bot/child")
    assert here.does("send", {"id": "2"}, run="r2") == "deny"
    assert here.does("send", {"id": "3"}, agent="other") != "allow", "the other agent may not write at all"


def test_forbids_after_ends(room):
    """`within` ends it; `per: run` keeps it to the run."""
    here = room(TOOLS, rule("for: send, forbids_after: {do: read, per: run, within: 1h}, then: ask"))
    here.does("get")
    assert here.does("send") == "ask"
    assert here.does("send", run="r2") == "allow"
    here.clock.forward(3601)
    assert here.does("send") == "allow"


def test_a_resource_remembers_by_itself(room):
    """With `same: resource` the resource carries it: copies and moves take it along, whoever comes next."""
    here = room(TOOLS, rule("for: [put, drop], forbids_after: {tool: pay, same: resource}, then: deny"))
    assert here.does("put", {"id": "7"}) == "allow"
    text = "for: put, forbids_after: {tool: drop, same: resource}, then: ask"
    here = room(TOOLS, rule(text))
    here.does("drop", {"id": "1"})
    assert here.does("put", {"id": "1"}, run="r9") == "ask"
    here.does("copy", {"id": "1", "to": "2"})
    assert here.does("put", {"id": "2"}) == "ask"
    here.does("move", {"id": "2", "to": "3"})
    assert here.does("put", {"id": "3"}) == "ask"
    assert here.does("put", {"id": "4"}) == "allow"


def test_an_event_that_cannot_be_decided_counts(room):
    """A condition that errs on A counts as A: it restricts."""
    here = room(TOOLS, rule('for: send, forbids_after: {tool: get, when: "args.secret == true"}, then: deny'))
    here.does("get", {"id": "1", "secret": False})
    assert here.does("send") == "allow"
    here.does("get", {"id": "1"})
    assert here.does("send") == "deny"


# --- at_most ----------------------------------------------------------------------------------------------------------

SUM = rule("for: pay, at_most: {sum: effect.amount, limit: 100, per: agent, within: 24h}, then: ask")


def test_small_amounts_add_up(room):
    """Equal small amounts count each, over resources, runs and relatives."""
    here = room(TOOLS, SUM)
    for index in range(9):
        assert here.does("pay", {"id": str(index), "cents": 10}, run=f"r{index}") == "allow"
    assert here.does("pay", {"id": "x", "cents": 11}) == "ask"
    assert here.does("pay", {"id": "x", "cents": 10}) == "allow"
    assert here.does("pay", {"id": "y", "cents": 1}) == "ask"


def test_in_flight_counts(room):
    """What has not ended counts; what certainly did nothing is taken back; what returned or was cut off is not."""
    here = room(TOOLS, SUM)
    going = here.start("pay", {"id": "1", "cents": 60})
    assert here.does("pay", {"id": "2", "cents": 50}) == "ask"
    here.end(going, Status.FAILED)
    assert here.does("pay", {"id": "2", "cents": 50}) == "allow"
    here.end(here.start("pay", {"id": "3", "cents": 30}), Status.FAILED, cut_off=True)
    assert here.does("pay", {"id": "4", "cents": 30}) == "ask"
    assert here.does("pay", {"id": "5", "cents": 20}, status=Status.FAILED_VALIDATION) == "allow"
    assert here.does("pay", {"id": "6", "cents": 1}) == "ask"


def test_a_retry_counts_once(room):
    """Further attempts of one action neither count again nor trip over themselves."""
    here = room(TOOLS, SUM)
    first = here.start("pay", {"id": "1", "cents": 90})
    here.end(first, Status.RETRY)
    second = here.start("pay", {"id": "1", "cents": 90}, attempt=1, holds=first.holds)
    assert isinstance(second, Go)
    assert here.does("pay", {"id": "2", "cents": 11}) == "ask"
    here.end(second, Status.FAILED)
    assert here.does("pay", {"id": "2", "cents": 100}) == "allow"


def test_a_retry_does_not_take_back_what_may_have_happened(room):
    """A first attempt that was cut off counts on when the second fails cleanly, or never begins."""
    for began in (True, False):
        here = room(TOOLS, SUM)
        first = here.start("pay", {"id": "1", "cents": 90})
        here.end(first, Status.RETRY, cut_off=True)
        second = here.start("pay", {"id": "1", "cents": 90}, attempt=1, holds=first.holds)
        here.end(second, Status.FAILED, cut_off=True, began=began)
        assert here.does("pay", {"id": "2", "cents": 11}) == "ask"


def test_the_window_slides(room):
    """What is older than the window no longer counts; until then it does."""
    here = room(TOOLS, SUM)
    here.does("pay", {"id": "1", "cents": 100})
    here.clock.forward(24 * 3600 - 1)
    assert here.does("pay", {"id": "2", "cents": 1}) == "ask"
    here.clock.forward(24 * 60 + 2)
    assert here.does("pay", {"id": "2", "cents": 100}) == "allow"


@pytest.mark.parametrize("cents", [-5, True, 1.5, "10", None, 2**70])
def test_amounts_that_cannot_add_up(room, cents):
    """Negative, fractional and missing amounts are not let through; a negative one makes no room."""
    here = room(TOOLS, rule("for: send, at_most: {sum: args.cents, limit: 100, within: 24h}, then: ask"))
    assert here.does("send", {"id": "1", "cents": 100}) == "allow"
    assert here.does("send", {"id": "1", "cents": cents}) == "ask"
    assert here.does("send", {"id": "1", "cents": 1}) == "ask"


def test_counts(room):
    """A count for each value of a path, however it is spelled."""
    here = room(TOOLS, rule("for: send, at_most: {count: 2, per: args.to, within: 1h}, then: deny"))
    for to in ("a@x", " A@X"):
        assert here.does("send", {"id": "1", "to": to}) == "allow"
    assert here.does("send", {"id": "1", "to": "a@x"}) == "deny"
    assert here.does("send", {"id": "1", "to": "b@x"}) == "allow"
    assert "number 3 for this args.to within 1h" in here.why("send", {"id": "1", "to": "a@X"})


def test_refusals_can_be_counted(room):
    """Denials count too: an agent that keeps trying is stopped, by undeclared tools as well."""
    rules = rule("for: get, at_most: {count: 3, of: denied, per: run}, then: ask")
    rules += '\n  - {id: core, for: put, when: args.id == "core", then: deny}'
    here = room(TOOLS, rules)
    assert here.does("put", {"id": "core"}) == "deny"
    assert here.does("unknown.tool") == "deny"
    assert here.does("get") == "allow"
    assert here.does("put", {"id": "core", "x": 1}) == "deny"
    assert here.does("get") == "ask"
    assert here.does("get", run="r2") == "allow"


def test_a_limit_is_not_held_against_the_resource(room):
    """A refusal by a limit passes with time, so it is not remembered on the resource."""
    here = room(TOOLS, rule("for: put, at_most: {count: 1, within: 1m}, then: deny"))
    assert here.does("put") == "allow"
    assert here.start("put").outcome.reason is Reason.LIMIT
    here.clock.forward(62)
    assert here.does("put") == "allow"


# --- repeat, cooldown, until_cleared ----------------------------------------------------------------------------------


def test_repeat(room):
    """The same action again and again, across runs and relatives, also when it fails."""
    here = room(TOOLS, rule("for: put, repeat: {times: 3, within: 10m}, then: ask"))
    assert here.does("put", status=Status.FAILED) == "allow"
    assert here.does("put", run="r2") == "allow"
    assert here.does("put", {"id": "2"}) == "allow"
    assert here.does("put") == "allow"
    assert here.does("put") == "ask"
    here.clock.forward(611)
    assert here.does("put") == "allow"


def test_repeat_of_a_resource(room):
    """With `same: resource`, arguments that differ in nothing that matters do not help."""
    here = room(TOOLS, rule("for: put, repeat: {times: 2, within: 10m, same: resource}, then: deny"))
    assert [here.does("put", {"id": "1", "nonce": n}) for n in range(3)] == ["allow", "allow", "deny"]
    assert here.does("put", {"id": "2", "nonce": 1}) == "allow"


@pytest.mark.parametrize(
    "text", ["cooldown: {wait: 10m, per: resource}", "cooldown: {wait: 10m, per: [agent, resource]}"]
)
def test_cooldown(room, text):
    """Not too soon after the last one, in flight included."""
    here = room(TOOLS, rule(f"for: put, {text}, then: deny"))
    here.start("put")
    assert here.does("put") == "deny"
    assert here.does("put", {"id": "2"}) == "allow"
    here.clock.forward(601)
    assert here.does("put") == "allow"
    assert "wait 10m more" in here.why("put")


def test_a_bare_cooldown_is_the_agents(room):
    """`cooldown: 10m` speaks of all that the agent does with these tools."""
    here = room(TOOLS, rule("for: put, cooldown: 10m, then: deny"))
    assert here.does("put") == "allow"
    assert here.does("put", {"id": "2"}, run="r2") == "deny"


def test_until_cleared(room):
    """After A, nothing until a person lifts it; no time does."""
    here = room(TOOLS, rule("for: [put, send], until_cleared: {tool: put, status: failed}, then: ask"))
    assert here.does("put") == "allow"
    assert here.does("put", status=Status.FAILED_VALIDATION) == "allow"
    here.clock.forward(400 * 86_400)
    assert here.does("send", run="r2") == "ask"
    assert "handrail review clear --rule r" in here.why("send")
    for key in here.store.read(lambda tx: tx.marks("until_cleared\x1fr\x1f")):
        here.store.transact(lambda tx, key=key: tx.drop_mark(key))
    assert here.does("send") == "allow"


def test_until_cleared_on_the_resource(room):
    """With `same: resource` only that resource is closed, and what is copied from it."""
    here = room(TOOLS, rule("for: [put, copy], until_cleared: {tool: drop, same: resource}, then: deny"))
    here.does("drop")
    assert here.does("put") == "deny"
    assert here.does("put", {"id": "2"}) == "allow"


# --- all together -----------------------------------------------------------------------------------------------------


def test_history_does_not_matter(room):
    """No number of harmless actions in between makes a pattern forget."""
    rules = """\
  - {id: sum, for: pay, at_most: {sum: effect.amount, limit: 100, within: 30d}, then: ask}
  - {id: after, for: send, forbids_after: {tool: plan}, then: deny}"""
    here = room(TOOLS, rules)
    here.does("pay", {"id": "1", "cents": 100})
    here.does("plan")
    for index in range(3_000):
        here.does("get", {"id": str(index)})
    assert here.does("pay", {"id": "1", "cents": 1}) == "ask"
    assert here.does("send") == "deny"


def test_only_agents_that_are_meant(room):
    """`agents` says whose actions are judged."""
    here = room(TOOLS, rule("for: get, agents: other, at_most: {count: 0}, then: deny"))
    assert here.does("get") == "allow"
    assert here.does("get", agent="other") == "deny"


def test_conditions_choose_the_effects(room):
    """`when` says which effects a pattern speaks of; what errs denies."""
    here = room(TOOLS, rule('for: pay, when: "args.cents > 10", at_most: {count: 1, within: 1h}, then: deny'))
    assert [here.does("pay", {"id": "1", "cents": c}) for c in (5, 5, 11, 5, 12)] == ["allow"] * 4 + ["deny"]
    assert here.does("pay", {"id": "1", "cents": "x"}) == "deny"


def test_each_effect_counts_however_many_zones_it_touches(room):
    """An amount is counted once, also where a resource is judged for two zones; two equal effects count twice."""
    tools = """\
  tag: {do: update, resource: "vm/{args.id}", zone: args.env?, ask: never}
  pay:
    effects:
      - {do: pay, resource: "vm/{args.id}", zone: args.env, amount: args.cents}
      - {do: pay, resource: "vm/{args.id}", zone: args.env, amount: args.cents}"""
    here = room(tools, rule("for: pay, at_most: {sum: effect.amount, limit: 100}, then: deny"))
    here.does("tag", {"id": "1", "env": "production"})
    assert here.does("pay", {"id": "1", "env": "staging", "cents": 40}) == "allow"
    assert here.does("pay", {"id": "1", "env": "staging", "cents": 11}) == "deny"
    assert here.does("pay", {"id": "1", "env": "staging", "cents": 10}) == "allow"
