"""Attempts in a trial: decided as a real store decides them, and ended as the trace says."""

import pytest

from handrail.backtest.asks import Asks
from handrail.core.outcome import Status

ALLOWED = ("allow", None, "success")


def test_what_is_allowed(world):
    """Has no rule, and nothing to say."""
    course = world.one("crm.get", call="c1", id="a", result={"id": "a"})
    assert course.to_json() == {"call": "c1", "decision": "allow", "rule": None, "why": "", "status": "success"}


def test_what_is_denied(world):
    """Names the rule, or the gate that is none of the policy's."""
    assert world.said(
        world.attempt("crm.set", id="boss"),
        world.attempt("crm.set", id="a", agent="reader"),
        world.attempt("crm.set", id="a", agent="nobody"),
        world.attempt("no.tool"),
        world.attempt("crm.set"),
        world.attempt("crm.typed"),
        world.attempt("crm.get", invalid="it is too large"),
    ) == [
        ("deny", "no-boss", "denied"),
        ("deny", "access", "denied"),
        ("deny", "allowlist", "denied"),
        ("deny", "allowlist", "denied"),
        ("deny", "allowlist", "denied"),
        ("deny", "arguments", "failed_validation"),
        ("deny", "arguments", "failed_validation"),
    ]


def test_what_asks_is_approved_and_done(world):
    """The decision stays, its status is that of the execution, and it changed what it changes."""
    asked = world.one("crm.set", id="a", env="prod", result={})
    assert (asked.decision, asked.rule, asked.status) == ("ask", "production", "success")
    assert world.trial.store.zones["lead/a"] == "production"
    assert world.trial.store.asked == {}


def test_what_asks_is_refused_and_remembered(world_of):
    """As a person's refusal is: any write to the resource asks afterwards, by any tool, for the whole lineage."""
    world = world_of(asks=Asks.REFUSED)
    first = world.one("crm.set", id="a", env="prod")
    assert (first.decision, first.rule, first.status) == ("ask", "production", "denied")
    assert first.why.endswith("A person refused it.")
    assert "lead/a" not in world.trial.store.zones
    assert world.said(
        world.attempt("crm.set", id="a"),
        world.attempt("crm.set", id="a", agent="bot/child"),
        world.attempt("crm.set", id="a", agent="loner"),
    ) == [("ask", "denial_memory", "denied"), ("ask", "denial_memory", "denied"), ALLOWED]


def test_the_same_refused_plan_again(world_of):
    """Is answered with the refusal, without asking once more."""
    world = world_of(asks=Asks.REFUSED)
    world.one("crm.set", id="a", env="prod")
    again = world.one("crm.set", id="a", env="prod")
    assert (again.decision, again.rule, again.status) == ("ask", "production", "denied")


def test_a_held_attempt(world):
    """Waits, where the caller decides its ticket; after the approval it runs once."""
    held = world.trial.begin(world.attempt("crm.set", id="a", env="prod", call="x"), held=True)
    assert (held.decision, held.status, held.in_flight) == ("ask", "human_review_required", False)
    world.trial.decide(held.ticket, Asks.APPROVED)
    after = world.trial.begin(world.attempt("crm.set", id="a", env="prod", call="x"), held=True)
    assert after.in_flight
    world.trial.end(after)
    assert (after.decision, after.status) == ("ask", "success")
    third = world.trial.begin(world.attempt("crm.set", id="a", env="prod", call="y"), held=True)
    assert third.status == "human_review_required"


def test_deciding_twice_changes_nothing(world):
    """Nor does deciding what is not there."""
    held = world.trial.begin(world.attempt("crm.set", id="a", env="prod"), held=True)
    world.trial.decide(held.ticket, Asks.REFUSED)
    world.trial.decide(held.ticket, Asks.APPROVED)
    world.trial.decide("T-0", Asks.APPROVED)
    assert world.trial.store.asked[held.ticket].state == "denied"


def test_patterns_remember(world):
    """Requires, and sums, from line to line; what was denied is no evidence."""
    assert world.said(
        world.attempt("crm.drop", id="a"),
        world.attempt("crm.get", id="a"),
        world.attempt("crm.drop", id="a"),
        world.attempt("pay", order="1", cents=400),
        world.attempt("pay", order="2", cents=400, agent="bot/child"),
    ) == [
        ("deny", "read-first", "denied"),
        ALLOWED,
        ("ask", "destructive", "success"),
        ALLOWED,
        ("ask", "adds-up", "success"),
    ]


def test_a_failed_attempt(world):
    """Of a read is `retry` while it may be repeated, then `failed`; the fifth asks. A write has failed at once."""
    failing = [world.attempt("crm.get", call="x", id="a", error="timeout") for _ in range(4)]
    assert [status for _, _, status in world.said(*failing)] == ["retry", "retry", "retry", "failed"]
    last = world.one("crm.get", call="x", id="a", result={})
    assert (last.decision, last.rule, last.status) == ("ask", "retries", "success")
    assert world.said(world.attempt("crm.set", id="a", error="boom")) == [("allow", None, "failed")]
    assert "boom" in world.one("crm.set", id="a", error="boom").why


def test_retries_are_counted_whatever_the_call(world):
    """Other call ids, the same action."""
    for number in range(4):
        world.one("crm.get", call=f"x{number}", id="a", error="timeout")
    assert world.one("crm.get", call="y", id="a").rule == "retries"


def test_a_retry_is_the_same_action_for_patterns(world_of):
    """A further line of the same call that failed goes on with its life: it counts once."""
    text = (
        "version: 1\nagents: {bot: {access: write}}\ntools: {t: {do: create, resource: 'x/{args.id}', idempotent: true}}\n"
        "rules: [{id: two, for: t, at_most: {count: 2, within: 1h}, then: deny}]\n"
    )
    world = world_of(text)
    said = world.said(
        *[world.attempt("t", call="x", id="a", error="timeout") for _ in range(3)],
        world.attempt("t", call="x", id="a", result={}),
        world.attempt("t", call="y", id="b"),
        world.attempt("t", call="z", id="c"),
    )
    assert [one[0] for one in said] == ["allow"] * 5 + ["deny"]


def test_the_same_call(world):
    """Is answered with its first outcome, decision and rule; another action under its id is denied."""
    world.one("crm.set", call="x", id="a", env="prod", result={"n": 1})
    again = world.one("crm.set", call="x", id="a", env="prod", result={"n": 2})
    assert (again.decision, again.rule, again.status) == ("ask", "production", "success")
    assert again.why.startswith("The same call was made before")
    other = world.one("crm.set", call="x", id="b")
    assert (other.decision, other.rule, other.status) == ("deny", "call_reused", "denied")
    third = world.one("crm.set", call="x", id="a", env="prod")
    assert (third.decision, third.rule) == ("ask", "production")
    assert world.one("crm.set", call="x", run="other", id="b").decision == "allow"


def test_checks_see_the_result(world):
    """A result that breaks them has failed; one that is not known is not checked, and that is said."""
    broken = world.one("crm.edit", id="a", size=1, result={"size": None})
    assert broken.status == "failed_validation"
    unknown = world.one("crm.edit", id="b", size=1)
    assert unknown.status == "success"
    assert "Its result is not known here, so it was not checked. It was not read back." in unknown.why
    assert "not checked" not in world.one("crm.edit", id="c", size=1, result={"size": 1}).why


def test_a_resource_from_the_result(world):
    """Is bound where the result tells it. Where nobody knows the result, that is said, and nothing is in doubt."""
    assert world.one("crm.new", env="prod", id="1", result={"id": "n"}).status == "success"
    assert world.trial.store.zones["lead/n"] == "production"
    unknown = world.one("crm.new", id="2", call="u")
    assert unknown.status == Status.HUMAN_REVIEW_REQUIRED
    assert unknown.why == "Which resource it changed stands in its result, which is not known here."
    assert world.one("crm.new", id="2", result={"id": "m"}).decision == "allow"
    assert world.one("crm.new", id="2", call="u").status == Status.HUMAN_REVIEW_REQUIRED  # the same call: as it ended


def test_a_result_beyond_the_limits(world):
    """Cannot be checked, as a live one cannot."""
    attempt = world.attempt("crm.edit", id="a", size=1)._replace(known=True, opaque="It is an integer beyond 64 bits.")
    (course,) = world.run(attempt)
    assert course.status == "failed_validation"
    assert "beyond 64 bits" in course.why


def test_a_result_without_the_resource(world):
    """Leaves the action in doubt, as it would: the same action is not made again."""
    assert world.one("crm.new", id="3", result={}).status == Status.HUMAN_REVIEW_REQUIRED
    again = world.one("crm.new", id="3", result={"id": "m"})
    assert (again.decision, again.rule) == ("deny", "doubt")
    assert world.one("crm.new", id="4", result={"id": "m"}).decision == "allow"


def test_observing_decides_too(world_of):
    """A policy that observes is tried as if it enforced: that is what one wants to know."""
    world = world_of(
        "version: 1\nmode: observe\nagents: {bot: {access: write}}\ntools: {t: {do: delete}, u: {do: send}}\n"
        "rules: [{id: never, for: u, then: deny}]\n"
    )
    assert world.said(world.attempt("t"), world.attempt("u")) == [
        ("ask", "destructive", "success"), ("deny", "never", "denied")
    ]  # fmt: skip


def test_a_policy_without_reviewers(world_of):
    """Has its questions answered all the same; the policy itself is not changed."""
    world = world_of("version: 1\nagents: {bot: {access: write}}\ntools: {t: {do: delete}}\n")
    assert world.one("t").status == "success"
    assert world.policy.reviewers == ()


def test_error_texts_are_safe(world):
    """A tool's own words hold no escape sequences."""
    assert "\x1b" not in world.one("crm.set", id="a", error="\x1b[31mred").why


@pytest.mark.parametrize("asks", Asks)
def test_runs_are_repeatable(world_of, asks):
    """No clock, no chance: the same attempts give the same answers, to the letter."""

    def told():
        world = world_of(asks=asks)
        tools = ["crm.set", "crm.get", "crm.drop", "crm.new"] * 10
        attempts = [world.attempt(t, id=f"l{n % 3}", env="prod" if n % 4 else "dev") for n, t in enumerate(tools)]
        return [course.to_json() for course in world.run(*attempts)]

    assert told() == told()
