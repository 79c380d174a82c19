import datetime as dt

import pytest

from handrail.policy import load

NOW = dt.datetime(2030, 1, 2, tzinfo=dt.UTC)
NOW_US = int(NOW.timestamp() * 1_000_000)


def run(policy, result, args=None, tool="t"):
    return [(one.check, one.path, one.why) for one in policy.tool(tool).checks(args or {}, result, NOW_US)]


def test_the_check_of_the_example(example):
    """The schema first; the conditions when it holds; each sentence names the value."""
    checks = load(example).tool("crm.update_lead").checks
    (schema,) = checks({}, {}, NOW_US)
    assert schema.check == "result"
    (null,) = checks({}, {"company_size": None}, NOW_US)
    assert (null.check, null.path) == ("checks[0]", "result.company_size")
    assert null.why == "result.company_size != null does not hold: result.company_size is null."
    assert checks({}, {"company_size": 5}, NOW_US) == ()


def test_a_tool_without_checks(policy_of):
    """Nothing to check is None, so that nothing is called."""
    assert policy_of("  t: {do: read}").tool("t").checks is None


def test_what_cannot_be_checked_does_not_pass(policy_of):
    """A missing member and a wrong type are violations."""
    policy = policy_of("  t: {do: read, checks: [result.n > 0, result.ok]}")
    assert run(policy, {"n": 1, "ok": True}) == []
    found = run(policy, {"ok": "yes"})
    assert found[0] == ("checks[0]", "result.n", "result.n > 0 cannot be checked: result.n is missing.")
    assert found[1][0] == "checks[1]"
    assert "no yes or no" in found[1][2]
    for result in (None, [], "text", 5):
        assert len(run(policy, result)) == 2


def test_checks_see_arguments_and_the_time(policy_of):
    """args and now can be compared with the result."""
    policy = policy_of("""  t: {do: read, checks: [result.id == args.id, 'timestamp(result.at) < now']}""")
    assert run(policy, {"id": 1, "at": "2030-01-01T00:00:00Z"}, {"id": 1}) == []
    assert len(run(policy, {"id": 2, "at": "2031-01-01T00:00:00Z"}, {"id": 1})) == 2


FRESH = "  t: {do: read, checks: [{fresh: result.at, within: 24h}]}"


@pytest.mark.parametrize(
    "at",
    [
        "2030-01-02T00:00:00Z",
        "2030-01-01T00:00:00z",
        "2030-01-01T00:00:00",
        "2030-01-01",
        "2030-01-02T01:00:00+02:00",
        "2030-01-02T00:04:59Z",
        NOW_US // 1_000_000,
        NOW_US / 1_000_000,
    ],
)
def test_what_is_fresh(policy_of, at):
    """RFC 3339 text or seconds since 1970; without a zone it is UTC; clocks may differ by five minutes."""
    assert run(policy_of(FRESH), {"at": at}) == []


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("2029-12-31T23:59:59Z", "is 24 h old, and may be at most 24 h old"),
        ("2020-01-01", "d old"),
        ("2030-01-02T00:05:01Z", "in the future"),
        (NOW_US, "no time stamp"),
        ("yesterday", "no time stamp"),
        ("", "no time stamp"),
        (True, "no time stamp"),
        (None, "no time stamp"),
        ([], "no time stamp"),
        (float("inf"), "no time stamp"),
        (0, "d old"),
    ],
)
def test_what_is_not_fresh(policy_of, at, why):
    """Old, from the future, and what is no time at all."""
    ((check, path, sentence),) = run(policy_of(FRESH), {"at": at})
    assert (check, path) == ("fresh", "result.at")
    assert why in sentence or (why == "no time stamp" and "in the future" in sentence)


def test_a_missing_time_is_not_fresh(policy_of):
    """Absent is a violation, unless the path says that it may be."""
    assert run(policy_of(FRESH), {})[0][2] == "result.at is missing."
    assert run(policy_of(FRESH.replace("result.at", "result.at?")), {}) == []


def test_completeness(policy_of):
    """Each path has to be there, not null and not empty; zero and false are values."""
    policy = policy_of("  t: {do: read, checks: [{complete: [result.a, result.b]}]}")
    assert run(policy, {"a": 0, "b": False}) == []
    for value in (None, "", " ", [], {}):
        assert [one[1] for one in run(policy, {"a": value, "b": value})] == ["result.a", "result.b"]
    assert [one[2] for one in run(policy, {})] == ["result.a is missing.", "result.b is missing."]
    assert len(run(policy, None)) == 2


def test_secrets_do_not_reach_violations(policy_of):
    """A check may look at a secret; its sentence does not show it."""
    policy = policy_of("  t: {do: read, checks: [result.token == args.x]}", redact="[result.token]")
    ((_, _, why),) = run(policy, {"token": "hunter2"}, {"x": "1"})
    assert "hunter2" not in why
    assert "[redacted]" in why
