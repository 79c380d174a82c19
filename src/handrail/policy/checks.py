"""The policy's checks on results. What cannot be checked does not pass."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handrail.core.digest import Json
from handrail.core.outcome import Violation
from handrail.core.text import safe
from handrail.core.tool import EffectError
from handrail.policy import cel, paths
from handrail.policy.cel import Condition, ConditionError
from handrail.policy.conditions import CHECK_NAMES, condition
from handrail.policy.model import CheckSpec, SchemaSpec
from handrail.policy.paths import MISSING, Path, PathError
from handrail.policy.problems import Problems, quoted

FUTURE_US = 300 * 1_000_000
"""How far in the future a time stamp may lie (clocks differ), in microseconds."""

Redact = Callable[[Mapping[str, Json]], Mapping[str, Json]]
Check = Callable[[Mapping[str, Json], Json, int], tuple[Violation, ...]]
SchemaCheck = Callable[[Json, str], tuple[Violation, ...]]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ABSENT = object()


def look(path: Sequence[str], values: Mapping[str, Any]) -> object:
    """Return what a dotted path of a condition leads to; `_ABSENT` when nowhere."""
    value: object = values
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return _ABSENT
        value = value[step]
    return value


def shown(path: Sequence[str], values: Mapping[str, Any]) -> str:
    """Return a path with its value, as a person reads it: `args.env is "prod"`."""
    value = look(path, values)
    return f"{safe('.'.join(path))} is {text_of(value)}"


def text_of(value: object) -> str:
    """Return a value in few words, safe to print."""
    if value is _ABSENT:
        return "absent"
    if isinstance(value, list | tuple):
        return (
            f"a list of {len(value)}" if len(value) > 5 else safe(json.dumps(value, ensure_ascii=False), max_chars=80)
        )
    if isinstance(value, Mapping):
        return f"an object with {len(value)} members"
    return safe(json.dumps(value, ensure_ascii=False), max_chars=80)


def absent(value: object) -> bool:
    """Return whether `look` found nothing."""
    return value is _ABSENT


@dataclass(frozen=True, slots=True)
class Holds:
    """A condition that has to hold."""

    name: str
    condition: Condition

    def test(self, values: Mapping[str, Any], visible: Mapping[str, Any] | None = None) -> tuple[Violation, ...]:
        """Return what does not hold.

        Args:
            values: The variables.
            visible: The same with secrets replaced, for the sentence; None when nothing is secret.
        """
        source = safe(self.condition.source)
        path = ".".join(self.condition.paths[0]) if self.condition.paths else ""
        try:
            if self.condition.test(cel.context(self.condition.needs, values)):
                return ()
        except ConditionError as error:
            return (Violation(self.name, path, f"{source} cannot be checked: {error}."),)
        facts = ", ".join(shown(p, visible or values) for p in self.condition.paths[:4] if p[0] != "now")
        return (Violation(self.name, path, f"{source} does not hold" + (f": {facts}." if facts else ".")),)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A time stamp that must not be older than `within_us`, nor lie in the future."""

    name: str
    path: Path
    within_us: int

    def test(self, scope: Mapping[str, Json], now_us: int) -> tuple[Violation, ...]:
        """Return why it is not fresh; empty when it is."""
        name = safe(self.path.text)
        try:
            value = self.path.get(scope)
        except EffectError as error:
            return (Violation(self.name, self.path.text, str(error)),)
        if value is MISSING:
            return ()
        at_us = _instant_us(value)
        if at_us is None:
            why = f"{name} is no time stamp: it must be RFC 3339 text or seconds since 1970."
        elif at_us > now_us + FUTURE_US:
            why = f"{name} lies {_ago(at_us - now_us)} in the future."
        elif now_us - at_us > self.within_us:
            why = f"{name} is {_ago(now_us - at_us)} old, and may be at most {_ago(self.within_us)} old."
        else:
            return ()
        return (Violation(self.name, self.path.text, why),)


@dataclass(frozen=True, slots=True)
class Complete:
    """Paths that must lead to something that is not null and not empty."""

    name: str
    paths: tuple[Path, ...]

    def test(self, scope: Mapping[str, Json]) -> tuple[Violation, ...]:
        """Return each path that is missing, null or empty."""
        found: list[Violation] = []
        for path in self.paths:
            try:
                value = path.get(scope)
            except EffectError as error:
                found.append(Violation(self.name, path.text, str(error)))
                continue
            empty = isinstance(value, list | dict) and not value
            if value is None or empty or (isinstance(value, str) and not value.strip()):
                what = "null" if value is None else "empty"
                found.append(Violation(self.name, path.text, f"{safe(path.text)} is {what}."))
        return tuple(found)


def _instant_us(value: object) -> int | None:
    """Return a time stamp in microseconds since the epoch; a time without zone counts as UTC."""
    try:
        if isinstance(value, str):
            at = dt.datetime.fromisoformat(value.strip().upper())
            at = at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at
            return (at - _EPOCH) // dt.timedelta(microseconds=1)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return int(value * 1_000_000)
    except (ValueError, OverflowError):
        return None
    return None


def _ago(us: int) -> str:
    seconds = us // 1_000_000
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@dataclass(frozen=True, slots=True)
class ToolChecks:
    """All checks of one tool, as `core.tool.Tool.checks` wants them: the schema first, the rest when it holds."""

    schema: SchemaCheck | None
    checks: tuple[Holds | Fresh | Complete, ...]
    redact: Redact | None

    def __call__(self, args: Mapping[str, Json], result: Json, now_us: int) -> tuple[Violation, ...]:
        """Return what a result breaks."""
        if self.schema is not None and (broken := self.schema(result, "result")):
            return broken
        scope: dict[str, Json] = {"args": args, "result": result}  # type: ignore[dict-item]
        values: dict[str, Any] = {**scope, "now": _EPOCH + dt.timedelta(microseconds=now_us)}
        found: list[Violation] = []
        for check in self.checks:
            if isinstance(check, Holds):
                visible = None if self.redact is None else {**self.redact(scope)}
                found += check.test(values, visible)
            elif isinstance(check, Fresh):
                found += check.test(scope, now_us)
            else:
                found += check.test(scope)
        return tuple(found)


def checks(
    specs: tuple[CheckSpec, ...], schema: SchemaSpec | None, redact: Redact | None, problems: Problems
) -> ToolChecks | None:
    """Compile the checks of one tool; None when there are none. Problems are noted."""
    compiled: list[Holds | Fresh | Complete] = []
    for index, spec in enumerate(specs):
        one = _check(spec, f"checks[{index}]", problems)
        if one is not None:
            compiled.append(one)
    checker = None if schema is None else schema_check(schema, problems)
    return ToolChecks(checker, tuple(compiled), redact) if compiled or checker else None


def _check(spec: CheckSpec, name: str, problems: Problems) -> Holds | Fresh | Complete | None:
    if spec.kind == "holds":
        one = condition(spec.nodes[0], CHECK_NAMES, problems)
        return None if one is None else Holds(name, one)
    found: list[Path] = []
    for node in spec.nodes:
        try:
            found.append(paths.path(str(node.value), ("result", "args"), whole=True))
        except PathError as error:
            problems.add(node.at, str(error))
    if len(found) != len(spec.nodes):
        return None
    return Fresh("fresh", found[0], spec.within_us) if spec.kind == "fresh" else Complete("complete", tuple(found))


def schema_check(spec: SchemaSpec, problems: Problems) -> SchemaCheck | None:
    """Compile a JSON Schema; None after noting why it is none."""
    from handrail.contracts.schema import SchemaError, schema_checker  # noqa: PLC0415 (loads a native library)

    if not isinstance(spec.schema, dict | bool):
        problems.add(spec.at, "A JSON Schema is an object.")
        return None
    try:
        return schema_checker(spec.schema, "schema")
    except SchemaError as error:
        problems.add(spec.at, f"The JSON Schema cannot be used: {quoted(error)[1:-1]}")
        return None
