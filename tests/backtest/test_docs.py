"""The page tells what happens."""

import io
import json
import re
from pathlib import Path

import pytest

from handrail.backtest.cases import CASE_KEYS, STEP_KEYS, read_cases
from handrail.backtest.flight import Flight
from handrail.backtest.store import KEPT_MAX
from handrail.backtest.suite import coverage, run_case
from handrail.backtest.trace import NEEDED, OPTIONAL, Trace
from handrail.backtest.trial import Trial
from handrail.policy import loads

PAGE = (Path(__file__).parents[2] / "docs" / "backtest.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
POLICY, CASES = [text for language, text in BLOCKS if language == "yaml"]
TRACE, ANSWERS = [text for language, text in BLOCKS if language == "json"]


def test_the_cases_pass():
    """And exercise everything, as the page shows."""
    policy = loads(POLICY)
    results = [run_case(policy, case) for case in read_cases(CASES, "handrail.test.yaml", policy)]
    assert [step.fault for result in results for step in result.steps if step.fault] == []
    shown = re.findall(r"^pass  (.*)$", PAGE, re.MULTILINE)
    assert [result.case.name for result in results] == shown
    missed = coverage(policy, results)
    assert (missed.rules, missed.tools) == ((), ())


def test_the_trace_is_answered_so():
    """Line by line."""
    courses = Flight(Trial(loads(POLICY))).run(Trace(io.BytesIO(TRACE.encode()), "t", print))
    assert [course.to_json() for course in courses] == [json.loads(line) for line in ANSWERS.splitlines()]


@pytest.mark.parametrize("key", [*CASE_KEYS, *STEP_KEYS, *NEEDED, *OPTIONAL])
def test_every_key_is_in_a_table(key):
    """Of cases, steps and traces."""
    assert re.search(rf"^\|[^|]*`{key}`[^|]*\|", PAGE, re.MULTILINE)


def test_the_numbers():
    """As the code has them."""
    assert f"the last {KEPT_MAX:,} that ended" in PAGE
