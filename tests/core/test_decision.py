"""The most restrictive finding wins, in whatever order the gates speak."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handrail.core.decision import ALLOWED, Finding, Verdict, combine

FINDINGS = st.lists(
    st.builds(Finding, st.sampled_from("abc"), st.sampled_from("rs"), st.sampled_from(Verdict), st.text(max_size=5))
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(FINDINGS, st.randoms())
def test_order_does_not_matter(findings, random):
    """Shuffling the findings changes neither the verdict nor which of them carry it."""
    shuffled = random.sample(findings, len(findings))
    one, other = combine(findings), combine(shuffled)
    assert one.verdict is other.verdict
    assert sorted(map(repr, one.decisive)) == sorted(map(repr, other.decisive))


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(FINDINGS, FINDINGS)
def test_one_more_gate_never_permits_more(findings, more):
    """Adding findings can only make the verdict more restrictive."""
    assert combine(findings + more).verdict.severity >= combine(findings).verdict.severity


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(FINDINGS)
def test_the_most_restrictive_wins(findings):
    """Deny before ask before allow; nothing at all allows."""
    said = {finding.verdict for finding in findings}
    expected = next((v for v in (Verdict.DENY, Verdict.ASK, Verdict.ALLOW) if v in said), Verdict.ALLOW)
    decision = combine(iter(findings))
    assert decision.verdict is expected
    assert decision.findings == tuple(findings)
    assert all(finding.verdict is expected for finding in decision.decisive)


def test_nothing_allows():
    """No objection is an allowance without a sentence."""
    assert combine(()) == ALLOWED
    assert ALLOWED.why == ""


def test_severity_is_ordered():
    """Allow, ask, deny."""
    assert [v.severity for v in (Verdict.ALLOW, Verdict.ASK, Verdict.DENY)] == [0, 1, 2]


def test_why_joins_what_is_decisive():
    """Agents read the sentences that carry the verdict, not the weaker ones."""
    decision = combine(
        [
            Finding("a", "1", Verdict.ASK, "Ask."),
            Finding("b", "2", Verdict.DENY, "No."),
            Finding("c", "3", Verdict.DENY, "Never."),
        ]
    )
    assert decision.why == "No. Never."


def test_finding_as_json():
    """The journal keeps gate, rule, verdict, sentence and values."""
    finding = Finding("rules", "big", Verdict.ASK, "It is big.", (("amount", 7),), sticky=True, reason="rule")
    assert finding.to_json() == {
        "gate": "rules", "rule": "big", "verdict": "ask", "why": "It is big.", "values": {"amount": 7},
    }  # fmt: skip
