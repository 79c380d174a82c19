"""One line of JSON-RPC, read so that no two parsers can read two things from it.

A gate that judges one reading while the server acts on another is no gate. So a line is refused, or its faults are
told, where readers differ: a key that stands twice or differs in case only (some servers ignore case), NaN, text with
lone surrogates, a carriage return between two values (some servers split lines there), members of an answer in a
request.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, TypeAlias, cast

from handrail.core.digest import Json
from handrail.core.text import safe

Id: TypeAlias = "int | str"
"""Id of a request; 1 and "1" are two ids."""

Object: TypeAlias = "dict[str, Json]"

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INTERNAL_ERROR = -32700, -32600, -32601, -32603
"""Codes of JSON-RPC 2.0."""

REFUSED = -32010
"""Our own code, in the range that MCP leaves to implementations: not done, and the message says why."""

FAULTS_MAX = 20
"""Faults of one line that are told."""

_ENVELOPE = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})


class MessageKind(Enum):
    """What a message is."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    ANSWER = "answer"


class Message(NamedTuple):
    """One message.

    Attributes:
        kind: What it is.
        id: Id of a request or answer; None for a notification, and for an answer to nobody knows what.
        method: Method of a request or notification, `""` for an answer.
        value: The whole message.
        faults: Where two readers could differ, sentences that are safe to print; empty for a sound message.
    """

    kind: MessageKind
    id: Id | None
    method: str
    value: Object
    faults: tuple[str, ...] = ()

    @property
    def params(self) -> Object:
        """Its parameters; empty when there are none."""
        params = self.value.get("params")
        return params if isinstance(params, dict) else {}


class Malformed(ValueError):  # noqa: N818 (it says what the line is)
    """The line is no JSON-RPC message; the text is one sentence, safe to print.

    Attributes:
        id: The request's id, where it can be told.
        code: Code of the error to answer with.
    """

    def __init__(self, why: str, id: Id | None = None, code: int = INVALID_REQUEST) -> None:
        super().__init__(why)
        self.id = id
        self.code = code


class Batch(NamedTuple):
    """Several messages in one array (2025-03-26)."""

    items: tuple[Message | Malformed, ...]


class _Reader:
    """The decoder, with a note of what is wrong in what it reads. Used by one thread."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._decode = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._constant, parse_float=self._float
        ).decode

    def read(self, text: str) -> tuple[Json, tuple[str, ...]]:
        self.faults = []
        value = cast("Json", self._decode(text))
        return value, tuple(self.faults[:FAULTS_MAX])

    def _object(self, pairs: list[tuple[str, Json]]) -> Object:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            self.faults.append(f"The key '{safe(twice)}' stands twice in one object. Send it once.")
        return found

    def _float(self, text: str) -> Json:
        value = float(text)
        return value if math.isfinite(value) else self._constant(text)

    def _constant(self, name: str) -> Json:
        self.faults.append(
            f"{safe(name, max_chars=40)} is no number that JSON readers agree on. Send a finite number, or null."
        )
        return None


_READER = _Reader()


def read(line: bytes) -> Message | Batch:
    """Read one line.

    Raises:
        Malformed: It is no message, or several in one.
    """
    if b"\r" in line:
        raise Malformed("The line holds a carriage return, where some readers begin a new line.", code=PARSE_ERROR)
    try:
        value, faults = _READER.read(line.decode())
    except UnicodeDecodeError:
        raise Malformed("The line is not UTF-8.", code=PARSE_ERROR) from None
    except RecursionError:
        raise Malformed("The line is nested too deeply.", code=PARSE_ERROR) from None
    except ValueError as error:
        raise Malformed(f"The line is not JSON ({safe(error)}).", code=PARSE_ERROR) from None
    if isinstance(value, list):
        if not value:
            raise Malformed("The batch is empty.")
        return Batch(tuple(_item(item, faults) for item in value))
    return _message(value, faults)


def _item(value: Json, faults: tuple[str, ...]) -> Message | Malformed:
    try:
        return _message(value, faults)
    except Malformed as error:
        return error


def _message(value: Json, faults: tuple[str, ...]) -> Message:
    if not isinstance(value, dict):
        raise Malformed("A message is a JSON object.")
    id, method = value.get("id"), value.get("method")
    known = id if isinstance(id, int | str) and not isinstance(id, bool) else None
    if not value.keys() <= _ENVELOPE:
        odd = next((key for key in value if key not in _ENVELOPE and key.casefold() in _ENVELOPE), None)
        if odd is not None:
            raise Malformed(f"'{safe(odd)}' is spelled '{safe(odd.casefold())}' in JSON-RPC.", known)
    if value.get("jsonrpc") != "2.0":
        raise Malformed('A message says "jsonrpc": "2.0".', known)
    answers = "result" in value or "error" in value
    if ("method" in value) is answers or ("result" in value and "error" in value):
        raise Malformed("A message is a request, a result or an error, and only one of them.", known)
    if "id" in value and known is None and not (id is None and "error" in value):
        raise Malformed("An id is text or a whole number.")
    if answers:
        return Message(MessageKind.ANSWER, known, "", value, faults)
    if not isinstance(method, str) or not method:
        raise Malformed("A method is text.", known)
    if not isinstance(value.get("params", {}), dict):
        raise Malformed("The parameters are a JSON object.", known)
    return Message(MessageKind.NOTIFICATION if "id" not in value else MessageKind.REQUEST, known, method, value, faults)


def write(value: Mapping[str, object]) -> bytes:
    """Return a message as a line, without its end.

    Text with lone surrogates is written as escapes, as it came.
    """
    try:
        return _plain(value).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


_plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def error_answer(id: Id | None, code: int, why: str, data: Mapping[str, object] | None = None) -> bytes:
    """Return the line that answers a request with an error."""
    error: dict[str, object] = {"code": code, "message": why}
    if data:
        error["data"] = data
    return write({"jsonrpc": "2.0", "id": id, "error": error})


def spelled_alike(value: Json) -> str:
    """Return why an object inside `value` can be read in two ways by a reader that ignores case; `""` when none can."""
    if isinstance(value, dict):
        if len({key.casefold() for key in value}) != len(value):
            return "Two keys of one object differ in case only, which some servers read as one. Send one of them."
        return next((why for item in value.values() if (why := spelled_alike(item))), "")
    if isinstance(value, list):
        return next((why for item in value if (why := spelled_alike(item))), "")
    return ""


def has_nul(value: Json) -> bool:
    """Return whether a text inside `value` holds U+0000, where some programs end a text."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(has_nul, value))
