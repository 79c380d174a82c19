"""Running test cases: each on a memory of its own, every step compared with what it expects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from handrail.backtest.cases import PolicyCase, PolicyStep
from handrail.backtest.flight import Flight
from handrail.backtest.trial import Course, Trial
from handrail.core.decision import Verdict
from handrail.core.digest import Json
from handrail.core.text import safe
from handrail.policy.compiled import CompiledPolicy
from handrail.policy.problems import quoted


@dataclass(frozen=True, slots=True)
class Checked:
    """One step, and what became of it.

    Attributes:
        step: What was expected.
        course: What happened.
        fault: What is other than expected, a sentence; `""` where nothing is.
    """

    step: PolicyStep
    course: Course
    fault: str

    def to_json(self) -> dict[str, Json]:
        """Return the step for machines."""
        return {
            **self.course.to_json(),
            "tool": self.course.attempt.tool,
            "line": self.step.at.line,
            "column": self.step.at.column,
            "expected": self.step.expect.value,
            "expected_rule": self.step.rule,
            "passed": not self.fault,
            "fault": self.fault,
        }


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case, and what became of its steps."""

    case: PolicyCase
    steps: tuple[Checked, ...]

    @property
    def passed(self) -> bool:
        """Whether every step is as expected."""
        return not any(step.fault for step in self.steps)

    def to_json(self) -> dict[str, Json]:
        """Return the case for machines."""
        return {
            "name": self.case.name,
            "line": self.case.at.line,
            "passed": self.passed,
            "steps": [step.to_json() for step in self.steps],
        }


def run_case(policy: CompiledPolicy, case: PolicyCase) -> CaseResult:
    """Attempt the steps of a case, one after the other."""
    trial = Trial(policy, case.asks)
    flight = Flight(trial)
    courses: list[Course] = []
    for step in case.steps:
        at_us = step.attempt.at_us
        if at_us is None:
            at_us = trial.now_us + step.after_us
        ended_us = at_us + step.takes_us if step.takes_us else None
        courses.append(flight.start(step.attempt._replace(at_us=at_us, ended_us=ended_us)))
    flight.land(None)
    checked = [Checked(step, course, _fault(step, course)) for step, course in zip(case.steps, courses, strict=True)]
    return CaseResult(case, tuple(checked))


def _fault(step: PolicyStep, course: Course) -> str:
    """Return what is other than expected."""
    wanted, found = _decision(step.expect.value, step.rule), _decision(course.decision, course.rule)
    said = f" {course.why}" if course.why else ""
    if course.decision != step.expect.value:
        return f"Expected {wanted}, and it is {found}.{said}"
    if step.rule is not None and step.rule not in (course.rule, *course.decisive):
        return f"Expected {wanted}, and it is {found}.{said}"
    if step.status is not None and course.status != step.status.value:
        return f"Expected it to end as {step.status}, and it ended as {course.status}.{said}"
    return ""


def _decision(decision: str, rule: str | None) -> str:
    return decision if rule is None or decision == Verdict.ALLOW.value else f"{decision} by {quoted(rule)}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What no case exercised.

    Attributes:
        rules: Rules that objected to nothing, in the order of the policy.
        tools: Tools that no step calls.
    """

    rules: tuple[str, ...]
    tools: tuple[str, ...]


def coverage(policy: CompiledPolicy, results: Iterable[CaseResult]) -> Coverage:
    """Return what no case exercised."""
    courses = [step.course for result in results for step in result.steps]
    fired = {name for course in courses for name in course.fired}
    called = {course.attempt.tool for course in courses}
    rules = tuple(rule.id for rule in policy.rules if rule.id not in fired)
    return Coverage(rules, tuple(name for name in policy.tools if name not in called))


def shown(checked: Checked, number: int, source: str) -> str:
    """Return the line about a step that failed, as editors and grep know it; foreign text in it is safe."""
    at = checked.step.at
    return f"{safe(source)}:{at.line}:{at.column}: step {number}: {checked.fault}"
