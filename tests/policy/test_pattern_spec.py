"""Patterns as the file declares them: everything that is wrong has its place and says what to do."""

import pytest

from handrail.errors import PolicyError
from handrail.policy import loads
from handrail.policy.pattern_spec import EventStatus, PatternKind

START = "version: 1\nagents: {bot: {}}\ntools: {get: {do: read}, put: {do: update}}\nrules:\n  - {id: r, then: ask, "
AT = len("  - {id: r, then: ask, ") + 1

BROKEN = [
    ("requires: {}", "is empty. Write for example {tool: crm.get_lead, same: resource}"),
    ("requires: get", "must be a mapping"),
    ("requires: {tool: gett}", "There is no tool 'gett' in this policy. Did you mean 'get'?"),
    ("requires: {same: resource}", "does not say which actions it looks back at"),
    ("requires: {tool: get, sam: resource}", "has no key 'sam'. Did you mean 'same'?"),
    ("requires: {tool: get, same: resourc}", "'same' of 'requires' of rule 'r' cannot be 'resourc'. Did you mean"),
    ("requires: {tool: get, per: user}", "It is one of agent, run, resource, tool, fleet, or a path"),
    ("requires: {tool: get, per: args.}", "is not a path"),
    ("requires: {do: reed}", "must be one of read, create"),
    ("requires: {tool: get, when: reslt.ok}", "reslt"),
    ("forbids_after: {tool: get, when: result.ok}", "result"),
    ("forbids_after: {tool: get, status: began}", "must be one of started, success, failed, denied"),
    ("forbids_after: {tool: get, same: resource, per: run}", "the resource itself remembers"),
    ("forbids_after: {tool: get, within: 10}", "must be a duration such as 30m"),
    ("at_most: {per: agent}", "counts or sums, one of both"),
    ("at_most: {count: 1, sum: effect.amount, limit: 3}", "counts or sums, one of both"),
    ("at_most: {sum: effect.amount}", "has no 'limit'"),
    ("at_most: {sum: amount, limit: 3}", "'sum' is effect.amount or a path"),
    ("at_most: {sum: effect.amount, limit: 9007199254740993}", "is at most 9,007,199,254,740,992"),
    ("at_most: {count: -1}", "a whole number, 0 or more"),
    ("at_most: {count: 1, limit: 3}", "'count' is its limit"),
    ("at_most: {count: 1, of: refused}", "'of' in 'at_most' of rule 'r'"),
    ("at_most: {count: 1, of: {}}", "does not say which actions"),
    ("repeat: {within: 1h}", "does not say how many times"),
    ("repeat: {times: 0}", "a whole number, 1 or more"),
    ("cooldown: {per: agent}", "does not say how long to wait"),
    ("cooldown: soon", "must be a duration"),
    ("until_cleared: {tool: get, within: 1h}", "has no key 'within'"),
    ("repeat: {times: 1}, cooldown: 1m", "has 'repeat' and 'cooldown'. Write a rule for each."),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[text for text, _ in BROKEN])
def test_what_is_wrong_is_refused(text, message):
    """It does not load, and the message names the place and the nearest known word."""
    with pytest.raises(PolicyError) as caught:
        loads(f"{START}{text}}}\n")
    found = caught.value.problems
    assert any(message in problem.message for problem in found), found
    assert all(problem.line == 5 and problem.column >= AT for problem in found), found


GOOD = [
    (
        "requires: {tool: [get, 'pu*'], do: [read, update], same: [resource, args.env], per: agent, within: 1d12h, once: true}",
        "requires",
    ),
    ("requires: {do: read, when: result.ok == true}", "requires"),
    ("forbids_after: {when: effect.zone == 'x'}", "forbids_after"),
    ("at_most: {count: 0}", "at_most"),
    ("at_most: {limit: 3, within: 1h}", "at_most"),
    ("at_most: {count: 3, of: {do: delete, status: denied}, per: [run, args.customer], within: 1h}", "at_most"),
    ("at_most: {sum: args.cents, limit: 9007199254740992, per: fleet}", "at_most"),
    ("repeat: {times: 3, within: 10m, same: resource}", "repeat"),
    ("cooldown: 10m", "cooldown"),
    ("until_cleared: {do: delete, status: failed}", "until_cleared"),
]


@pytest.mark.parametrize(("text", "kind"), GOOD, ids=[text for text, _ in GOOD])
def test_what_is_right_loads(text, kind):
    """Every key that the page names."""
    assert loads(f"{START}{text}}}\n").rules[0].pattern.kind == kind


def test_words():
    """Six patterns; four things that can become of an action."""
    assert len(PatternKind) == 6
    assert [status.value for status in EventStatus] == ["started", "success", "failed", "denied"]


def test_the_policy_changes_with_its_patterns():
    """A limit is part of what the policy means: approvals given under another one are stale."""
    one, two = (loads(f"{START}at_most: {{count: {n}}}}}\n").hash for n in (1, 2))
    assert one != two
