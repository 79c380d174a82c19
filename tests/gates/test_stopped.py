"""Stopped agents do nothing."""

from handrail.core.decision import Verdict
from handrail.core.facts import Latch
from handrail.core.outcome import Reason
from handrail.gates import Stopped


def test_allows_without_a_stop(case):
    """No latch, no objection."""
    assert Stopped().judge(case("vm.get")) == ()


def test_objects_to_anything_once_for_each_stop(case):
    """Even reads; each finding says who stopped whom, why, and how a person lifts it."""
    latches = (Latch("bot", "dana", "It loops.", 1), Latch("bot/worker", "kim", "Too.", 2))
    found = Stopped().judge(case("vm.get", agent="bot/worker", latches=latches))
    assert [f.verdict for f in found] == [Verdict.DENY] * 2
    assert [dict(f.values) for f in found] == [
        {"agent": "bot", "by": "dana"}, {"agent": "bot/worker", "by": "kim"},
    ]  # fmt: skip
    assert "It loops." in found[0].why
    assert "handrail start bot" in found[0].why
    assert {f.reason for f in found} == {Reason.STOPPED}
    assert not any(f.sticky for f in found)
