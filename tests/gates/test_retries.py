"""At most three retries, then a person."""

import pytest

from handrail.core.backoff import RETRIES_MAX, RETRY_WINDOW_US
from handrail.core.decision import Verdict
from handrail.core.outcome import Reason
from handrail.gates import Retries

NOW = 10**12


@pytest.mark.parametrize("failures", range(RETRIES_MAX + 1))
def test_allows_the_first_attempt_and_three_retries(case, failures):
    """Up to three failures there is another attempt."""
    assert Retries().judge(case("vm.put", now_us=NOW, failures=failures, failed_us=NOW)) == ()


@pytest.mark.parametrize("failures", [RETRIES_MAX + 1, 50])
def test_asks_afterwards(case, failures):
    """The fourth failure in a row needs a person, and the count is named."""
    (found,) = Retries().judge(case("vm.put", now_us=NOW, failures=failures, failed_us=NOW))
    assert (found.verdict, found.rule, found.reason) == (Verdict.ASK, "retries", Reason.RETRIES_EXHAUSTED)
    assert dict(found.values) == {"failures": failures}
    assert f"failed {failures} times in a row" in found.why


@pytest.mark.parametrize(("age", "asks"), [(RETRY_WINDOW_US - 1, True), (RETRY_WINDOW_US, False)])
def test_forgets_after_ten_minutes(case, age, asks):
    """Failures are forgotten after ten minutes without an attempt."""
    found = Retries().judge(case("vm.put", now_us=NOW, failures=4, failed_us=NOW - age))
    assert bool(found) is asks
