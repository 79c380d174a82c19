"""Trace files: one attempted action a line of JSON, read line by line, every broken line an error that names it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import IO, NamedTuple, cast

import orjson

from handrail.backtest.times import instant
from handrail.core.digest import Json, NotJson, to_json
from handrail.core.text import safe
from handrail.errors import HandrailError

LINE_MAX = 16 * 1024 * 1024
"""Bytes that one line may have."""

NEEDED = ("agent", "run", "call", "tool", "args")
OPTIONAL = ("result", "error", "at", "ended_at", "parent", "goal", "before")
_NEAR = 0.8

IGNORED_MAX = 100
"""Unknown keys that are named."""


class TraceError(HandrailError):
    """A line of the trace is broken. Nothing after it was read."""


class Attempt(NamedTuple):
    """One attempted action, as a trace, a case or the journal tells it.

    Attributes:
        agent: Name of the agent.
        run: Id of the run.
        call: Id of the call inside the run.
        tool: Name of the tool.
        args: Its arguments.
        invalid: Why the arguments have no JSON form within the limits, `""` when they have one.
        known: Whether `result` is what the tool returned; otherwise nobody knows.
        result: What the tool returned.
        opaque: Why what it returned has no JSON form within the limits, `""` when it has one.
        error: What the tool failed of, None when it did not.
        before: The before-image, None when it is not known.
        at_us: When it was proposed, microseconds since the epoch, UTC; None for a little after the one before.
        ended_us: When it ended; None for at once.
        parent: The agent that it works for, as far as the trace says.
    """

    agent: str
    run: str
    call: str
    tool: str
    args: dict[str, Json]
    invalid: str = ""
    known: bool = False
    result: Json = None
    opaque: str = ""
    error: str | None = None
    before: Json = None
    at_us: int | None = None
    ended_us: int | None = None
    parent: str | None = None


@dataclass(slots=True)
class Trace:
    """One trace file that is being read.

    Attributes:
        stream: The open file, binary.
        name: What messages call it.
        warn: Takes a sentence about a key that is no part of a trace, once for each.
        line: Number of the line that was read last, from 1.
        bytes_read: How far reading has come.
    """

    stream: IO[bytes]
    name: str
    warn: Callable[[str], None]
    line: int = 0
    bytes_read: int = 0
    _ignored: set[str] | None = None

    def __iter__(self) -> Iterator[Attempt]:
        """Yield the attempts in the order of the file.

        Raises:
            TraceError: A line is broken; its number, its key and what to do are named.
        """
        blank = 0
        while raw := self.stream.readline(LINE_MAX + 1):
            self.line += 1
            self.bytes_read += len(raw)
            if len(raw) > LINE_MAX:
                raise self.error(f"It is longer than {LINE_MAX // 2**20} MiB. Leave large results out.")
            if not raw.strip():
                blank = blank or self.line
                continue
            if blank:
                raise self.error("It is blank, and lines follow. Every line is one action; remove it.", line=blank)
            yield self.attempt(self._object(raw))

    def error(self, message: str, *, line: int | None = None, column: int = 0) -> TraceError:
        """Return the error for a line; the current one by default."""
        where = f"{safe(self.name)}:{line or self.line}" + (f":{column}" if column else "")
        return TraceError(f"{where}: {message}")

    def _object(self, raw: bytes) -> dict[str, object]:
        plain = _plain(raw)
        if plain is not None:
            return plain
        try:
            text = raw.decode("utf-8-sig" if self.line == 1 else "utf-8")
            value = _READ.decode(text)
        except UnicodeDecodeError as error:
            raise self.error("It is not UTF-8 text. Save the file as UTF-8.", column=error.start + 1) from None
        except json.JSONDecodeError as error:
            raise self.error(f"It is not JSON: {safe(error.msg)}.", column=error.colno) from None
        except RecursionError:
            raise self.error("It is nested too deeply.") from None
        except ValueError as error:
            raise self.error(f"It is not JSON: {safe(error)}") from None
        if not isinstance(value, dict):
            raise self.error(f"It has to be an object with {', '.join(NEEDED)}, and this is {_kind(value)}.")
        return value

    def attempt(self, line: dict[str, object]) -> Attempt:
        """Return what one line tells.

        Raises:
            TraceError: A key is missing or of another kind.
        """
        if not line.keys() <= _KNOWN:
            for key in line.keys() - _KNOWN:
                self._unknown(key)
        if not line.keys() >= _NEEDED:
            missing = [f"'{key}'" for key in NEEDED if key not in line]
            are = "is" if len(missing) == 1 else "are"
            raise self.error(f"{', '.join(missing)} {are} missing. A line needs {', '.join(NEEDED)}.")
        failure = self._text(line, "error")
        if failure is not None and line.get("result") is not None:
            raise self.error("It has a 'result' and an 'error': an action ends with one of them. Remove the other.")
        if failure is not None and not failure.strip():
            raise self.error("'error' is empty. Write what failed, or leave it out where nothing did.")
        args, invalid = self._args(line)
        at_us, ended_us = self._time(line, "at"), self._time(line, "ended_at")
        if at_us is not None and ended_us is not None and ended_us < at_us:
            raise self.error("'ended_at' is before 'at'. An action ends after it began; correct one of them.")
        self._text(line, "goal")
        known = failure is None and "result" in line
        result, opaque = self._result(line) if known else (None, "")
        return Attempt(
            self._name(line, "agent"), self._name(line, "run"), self._name(line, "call"), self._name(line, "tool"),
            args, invalid, known, result, opaque, failure, self._before(line), at_us, ended_us,
            self._text(line, "parent") or None,
        )  # fmt: skip

    def _unknown(self, key: str) -> None:
        """Refuse a key that is nearly a known one; of any other, tell once that it is not looked at."""
        if self._ignored is not None and key in self._ignored:
            return
        near = get_close_matches(key, (*NEEDED, *OPTIONAL), n=1, cutoff=_NEAR)
        if near:
            raise self.error(f"A line has no key '{safe(key)}'. Did you mean '{near[0]}'?")
        if self._ignored is None:
            self._ignored = set()
        if len(self._ignored) < IGNORED_MAX:
            self._ignored.add(key)
            self.warn(f"{safe(self.name)}:{self.line}: '{safe(key)}' is no key of a trace and is not looked at.")

    def _name(self, line: dict[str, object], key: str) -> str:
        """Return a name or an id, which may be written as a whole number."""
        value = line[key]
        if type(value) is int and key in {"run", "call"}:
            return str(value)
        if not isinstance(value, str):
            raise self.error(f"'{key}' has to be text, and this is {_kind(value)}.")
        if not value.strip():
            raise self.error(f"'{key}' is empty. Write a name or an id.")
        return value

    def _text(self, line: dict[str, object], key: str) -> str | None:
        value = line.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.error(f"'{key}' has to be text, and this is {_kind(value)}.")

    def _args(self, line: dict[str, object]) -> tuple[dict[str, Json], str]:
        """Return the arguments; of those beyond the limits, what an agent's call would be refused with."""
        args = line["args"]
        if not isinstance(args, dict):
            raise self.error(f"'args' has to be an object ({{}} for none), and this is {_kind(args)}.")
        try:
            return cast("dict[str, Json]", to_json(args)), ""
        except NotJson as error:
            return {"arguments": safe(repr(args), max_chars=500)}, str(error)

    def _result(self, line: dict[str, object]) -> tuple[Json, str]:
        """Return the result; of one beyond the limits, why it cannot be looked at, as of a live one."""
        try:
            return to_json(line["result"]), ""
        except NotJson as error:
            return None, str(error)

    def _before(self, line: dict[str, object]) -> Json:
        if "before" not in line:
            return None
        try:
            return to_json(line["before"])
        except NotJson as error:
            raise self.error(f"'before' cannot be used: {safe(error)}") from None

    def _time(self, line: dict[str, object], key: str) -> int | None:
        value = line.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(f"'{key}' has to be text, and this is {_kind(value)}.")
        try:
            return instant(value)
        except ValueError as error:
            raise self.error(f"'{key}' cannot be used: {error}.") from None


_NEEDED = frozenset(NEEDED)
_KNOWN = frozenset({*NEEDED, *OPTIONAL})
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number"}


def _kind(value: object) -> str:
    return "null" if value is None else _KINDS[type(value)]


def _plain(raw: bytes) -> dict[str, object] | None:
    """Read an ordinary line quickly; None for one that has to be looked at closely.

    A key that stands twice shows in the number of colons behind quotes, which then is not that of the keys.
    """
    if _HUGE.search(raw) is not None:  # a number that orjson would round
        return None
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) and _keys(value) == raw.count(b'":') else None


def _keys(value: object) -> int:
    """Return how many keys stand in a value, at every depth."""
    if isinstance(value, dict):
        return len(value) + sum([_keys(item) for item in value.values() if isinstance(item, dict | list)])
    return sum([_keys(item) for item in value if isinstance(item, dict | list)]) if isinstance(value, list) else 0


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse an object that names a key twice: two readers could take two different values."""
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{safe(twice)}' stands twice in one object.")
    return found


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value.")


_HUGE = re.compile(rb"\d{19}")
_READ = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant)
