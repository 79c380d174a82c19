"""The gates of a trial."""

from handrail.backtest.gates import trial_gates
from handrail.gates import default_gates


def test_the_same_gates():
    """In the same order; no guardrail is missing."""
    assert [gate.name for gate in trial_gates()] == [gate.name for gate in default_gates()]


def test_an_unknown_image_decides_nothing(world):
    """A rule on it neither asks nor denies, and the answer says so; with one, it decides."""
    unknown = world.one("crm.edit", id="a", size=1, result={"size": 1})
    assert (unknown.decision, unknown.status) == ("allow", "success")
    assert "Not decided, because the before-image is not known here: 'shrinks'." in unknown.why
    assert world.one("crm.edit", id="b", size=1, before={"size": 5}, result={"size": 1}).rule == "shrinks"
    assert world.one("crm.edit", id="c", size=9, before={"size": 5}, result={"size": 1}).decision == "allow"


def test_other_rules_still_decide(world):
    """Of a tool whose before-image is not known."""
    assert world.one("crm.edit", id="boss", size=1).rule == "no-boss"
