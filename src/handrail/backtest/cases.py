"""Test cases of a policy: a YAML file that says what is attempted, and what has to be decided.

A list of cases. Each has a name and steps; a case of one step may hold it directly. What is remembered goes on from
step to step, and no case knows of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from handrail.backtest.asks import Asks
from handrail.backtest.times import PAUSE_US, instant
from handrail.backtest.trace import Attempt
from handrail.core.decision import Verdict
from handrail.core.digest import Json
from handrail.core.names import did_you_mean
from handrail.core.outcome import Reason, Status
from handrail.core.text import safe
from handrail.gates import default_gates
from handrail.policy import document
from handrail.policy.compiled import CompiledPolicy
from handrail.policy.document import Node
from handrail.policy.fields import Fields
from handrail.policy.problems import NOWHERE, Mark, Problems, quoted

FILE_NAME = "handrail.test.yaml"
"""Where the cases of a policy stand, beside it, unless another file is named."""

STEP_KEYS = (
    "agent", "run", "call", "tool", "args", "result", "error", "before", "at", "after", "takes", "expect", "rule",
    "status",
)  # fmt: skip
CASE_KEYS = ("name", "asks", "agent", "run", "steps")

_OTHER_RULES = (Reason.CALL_REUSED, Reason.IN_PROGRESS, Reason.PREVIEW)
"""What stands for a rule where no gate decided."""


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """One attempt, and what has to be decided about it.

    Attributes:
        at: Where it stands in the file.
        attempt: What is attempted.
        expect: What has to be decided.
        rule: The rule that has to decide; None for any.
        status: How it has to end; None for any.
        after_us: Microseconds after the step before, where it names no time itself.
        takes_us: Microseconds that it runs, in flight for the steps after it.
    """

    at: Mark
    attempt: Attempt
    expect: Verdict
    rule: str | None = None
    status: Status | None = None
    after_us: int = PAUSE_US
    takes_us: int = 0


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """One case: its steps, and what people answer."""

    at: Mark
    name: str
    asks: Asks
    steps: tuple[PolicyStep, ...]


def load_cases(file: Path, policy: CompiledPolicy) -> tuple[PolicyCase, ...]:
    """Read a file of cases.

    Args:
        file: The file.
        policy: The policy that they test.

    Raises:
        PolicyError: It cannot be read, or anything in it is wrong; all problems are listed.
    """
    problems = Problems(str(file))
    try:
        raw = file.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        problems.add(NOWHERE, f"The cases cannot be read: {safe(error.strerror or error)}. See docs/backtest.md.")
        raise problems.error() from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problems.add(Mark(line, 1), "The file is not UTF-8 text. Save it as UTF-8.")
        raise problems.error() from None
    return read_cases(text, str(file), policy)


def read_cases(text: str, source: str, policy: CompiledPolicy) -> tuple[PolicyCase, ...]:
    """Read the text of a file of cases; `source` is what messages call it. Raises `PolicyError`."""
    problems = Problems(source)
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        problems.add(Mark(1, 1), "The file has no case. A case begins with '- name: …'.")
        raise problems.error()
    root = document.parse(text, problems)
    if root is None:
        raise problems.error()
    cases = _Reader(problems, policy).cases(root)
    problems.raise_any()
    return cases


class _Reader:
    """Reads the cases of one file; problems are noted."""

    def __init__(self, problems: Problems, policy: CompiledPolicy) -> None:
        self._problems = problems
        self._only = next(iter(policy.agents)) if len(policy.agents) == 1 else None
        gates = [gate.name for gate in default_gates() if gate.name != "rules"]
        self._rules = sorted({rule.id for rule in policy.rules} | {*gates, *(reason.value for reason in _OTHER_RULES)})

    def cases(self, root: Node) -> tuple[PolicyCase, ...]:
        if not isinstance(root.value, list):
            self._problems.add(root.at, f"The file has to be a list of cases ('- name: …'), and this is {root.kind}.")
            return ()
        found = [self._case(node) for node in root.value]
        seen: dict[str, Mark] = {}
        for case in found:
            first = seen.setdefault(case.name, case.at)
            if first is not case.at:
                self._problems.add(
                    case.at, f"The case {quoted(case.name)} stands in line {first.line} already. Rename one."
                )
        return tuple(found)

    def _case(self, node: Node) -> PolicyCase:
        alone = isinstance(node.value, dict) and "steps" not in node.value
        keys = (*CASE_KEYS[:2], *STEP_KEYS) if alone else CASE_KEYS
        fields = Fields(node, "a case", keys, self._problems, refused=None if alone else _misplaced())
        name = fields.text("name")
        if "name" not in fields:
            self._problems.add(node.at, "This case has no name. Say in 'name' what has to hold.")
        shown = "" if name is None else str(name.value)
        agent, run = self._word(fields, "agent"), self._word(fields, "run")
        asks = fields.choice("asks", Asks, Asks.APPROVED)
        if alone:
            return PolicyCase(node.at, shown, asks, (self._step(fields, 1, agent, run),))
        items = fields.items("steps")
        if not items:
            self._problems.add(fields.key_at("steps"), "'steps' of a case is empty. List at least one.")
        steps = [
            self._step(Fields(item, f"step {number}", STEP_KEYS, self._problems), number, agent, run)
            for number, item in enumerate(items, 1)
        ]
        return PolicyCase(node.at, shown, asks, tuple(steps))

    def _step(self, fields: Fields, number: int, agent: str | None, run: str | None) -> PolicyStep:
        who = self._word(fields, "agent") or agent or self._only
        if who is None:
            message = f"{fields.what} does not say which agent acts. Add 'agent', here or in the case."
            self._problems.add(fields.at, message)
        tool, error = self._word(fields, "tool"), self._word(fields, "error")
        if "tool" not in fields:
            self._problems.add(fields.at, f"{fields.what} does not say which tool is called. Add 'tool'.")
        if "error" in fields and "result" in fields:
            self._problems.add(fields.key_at("error"), f"{fields.what} returns or fails: remove 'result' or 'error'.")
        result, before = fields.node("result"), fields.node("before")
        attempt = Attempt(
            who or "", self._word(fields, "run") or run or "run-1", self._word(fields, "call") or str(number),
            tool or "", self._args(fields), known=result is not None,
            result=None if result is None else result.plain(), error=error,
            before=None if before is None else before.plain(), at_us=self._at(fields),
        )  # fmt: skip
        expect = self._expect(fields)
        return PolicyStep(
            fields.at, attempt, expect, self._rule(fields, expect),
            fields.choice("status", Status, Status.SUCCESS) if "status" in fields else None,
            fields.duration_us("after", PAUSE_US), fields.duration_us("takes", 0),
        )  # fmt: skip

    def _word(self, fields: Fields, key: str) -> str | None:
        node = fields.node(key)
        if node is not None and type(node.value) is int and key in {"run", "call"}:
            return str(node.value)
        found = fields.text(key)
        return None if found is None else str(found.value)

    def _args(self, fields: Fields) -> dict[str, Json]:
        node = fields.node("args")
        value = {} if node is None else node.plain()
        if isinstance(value, dict):
            return value
        assert node is not None
        self._problems.add(
            node.at, f"'args' of {fields.what} must be a mapping (name: value), and this is {node.kind}."
        )
        return {}

    def _at(self, fields: Fields) -> int | None:
        node = fields.text("at")
        if node is None:
            return None
        if "after" in fields:
            message = f"{fields.what} says 'at' and 'after'. A time or a distance: keep one."
            self._problems.add(fields.key_at("after"), message)
        try:
            return instant(str(node.value))
        except ValueError as error:
            self._problems.add(node.at, f"'at' of {fields.what} cannot be used: {error}.")
            return None

    def _expect(self, fields: Fields) -> Verdict:
        if "expect" not in fields:
            words = ", ".join(Verdict)
            self._problems.add(fields.at, f"{fields.what} does not say what has to be decided. Add 'expect': {words}.")
        return fields.choice("expect", Verdict, Verdict.DENY)

    def _rule(self, fields: Fields, expect: Verdict) -> str | None:
        node = fields.text("rule")
        if node is None:
            return None
        name = str(node.value)
        if name not in self._rules:
            hint = did_you_mean(name, self._rules)
            self._problems.add(node.at, f"There is no rule and no gate {quoted(name)}.{hint}")
        elif expect is Verdict.ALLOW and "expect" in fields:
            self._problems.add(fields.key_at("rule"), f"No rule allows: remove 'rule' of {fields.what}.")
        return name


def _misplaced() -> dict[str, str]:
    """Return what is said of a step's key that stands in a case which has steps."""
    inner = [key for key in STEP_KEYS if key not in CASE_KEYS]
    return {key: f"A case with 'steps' has no '{key}': write it inside the step." for key in inner}
