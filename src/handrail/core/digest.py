"""JSON values, their canonical form, and digests over it.

Whatever an agent sends is first turned into a plain JSON value (`to_json`), with every limit said and kept: depth,
size, 64-bit integers, no NaN, no lone surrogates. Canonical bytes follow RFC 8785 (JCS), with one stated widening:
integers between 2^53 and 2^64 keep their exact digits, where JCS would round them to a double; two different order
numbers must not share a digest.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import hashlib
import json
import math
import pathlib
import re
import uuid
from collections.abc import Callable, Mapping
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

DEPTH_MAX = 64
"""Nesting that a value may have; native evaluators recurse and crash on more."""

BYTES_MAX = 16 * 1024 * 1024
"""Approximate size that a value may have, in bytes."""

INT_MIN, INT_MAX = -(2**63), 2**64 - 1


def _encoder(*, sort: bool) -> Callable[[Json], str]:
    """Return how JSON text is made: CPython's own encoder, made once instead of for every text, where there is one."""
    plain = json.JSONEncoder(
        ensure_ascii=False, separators=(",", ":"), sort_keys=sort, allow_nan=False, check_circular=False
    )
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    made = make(None, plain.default, json.encoder.encode_basestring, None, ":", ",", sort, False, False)
    return lambda value: "".join(made(value, 0))


_encode = _encoder(sort=True)
compact = _encoder(sort=False)
"""Returns the JSON text of a value without blanks, its keys in their order."""

_MAYBE_FLOAT = re.compile(r"\d\.\d|\de[+-]").search
"""Finds every float that Python writes, and now and then a text that looks like one."""


class NotJson(ValueError):  # noqa: N818 (it says what the value is not)
    """The value has no JSON form within the limits; the message names the path and the reason."""


def to_json(value: object, *, bytes_max: int = BYTES_MAX) -> Json:
    """Return `value` as a plain JSON value that shares nothing mutable with it.

    Datetimes become RFC 3339 text, decimals and UUIDs text, tuples and sets lists (sets sorted), enums their value,
    dataclasses and pydantic models objects.

    Args:
        value: Anything.
        bytes_max: Approximate upper bound of the encoded size, in bytes.

    Raises:
        NotJson: NaN or infinity, an integer beyond 64 bits, text with lone surrogates, a key that is not text, deeper
            than `DEPTH_MAX`, larger than `bytes_max`, or a type without a JSON form.
    """
    return measured(value, bytes_max=bytes_max)[0]


def measured(value: object, *, bytes_max: int = BYTES_MAX) -> tuple[Json, int]:
    """Return `to_json(value)` and its approximate size in bytes."""
    room = [bytes_max]
    return _convert(value, "", 0, room), bytes_max - room[0]


def _convert(value: object, path: str, depth: int, room: list[int]) -> Json:
    kind = type(value)
    if kind is str:
        return _text(value, path, room)  # type: ignore[arg-type]
    if value is None or kind is bool:
        room[0] -= 5
        return value  # type: ignore[return-value]
    if kind is int:
        room[0] -= 8
        return _integer(value, path)  # type: ignore[arg-type]
    if kind is float:
        room[0] -= 12
        return _float(value, path)  # type: ignore[arg-type]
    if depth >= DEPTH_MAX:
        raise NotJson(f"{_at(path)} is nested deeper than {DEPTH_MAX} levels.")
    if kind is dict:
        return _object(value, path, depth, room)  # type: ignore[arg-type]
    if kind is list or kind is tuple:
        return _array(value, path, depth, room)  # type: ignore[arg-type]
    return _other(value, path, depth, room)


def _at(path: str) -> str:
    return f"The value at '{path.removeprefix('.')}'" if path else "The value"


def _spend(size: int, path: str, room: list[int]) -> None:
    room[0] -= size
    if room[0] < 0:
        raise NotJson(f"{_at(path)} makes the whole larger than its size limit.")


def _text(value: str, path: str, room: list[int]) -> str:
    room[0] -= len(value) + 2
    if room[0] < 0:
        _spend(0, path, room)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NotJson(f"{_at(path)} is not valid Unicode text (a lone surrogate).") from None
    return value


def _integer(value: int, path: str) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise NotJson(f"{_at(path)} is an integer beyond 64 bits; send it as text.")


def _float(value: float, path: str) -> float:
    if math.isfinite(value):
        return value
    raise NotJson(f"{_at(path)} is {value}, which JSON cannot hold.")


def _object(value: Mapping[object, object], path: str, depth: int, room: list[int]) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for key, item in value.items():
        if type(key) is str and key.isascii():  # what nearly all arguments are, without detours
            kind = type(item)
            if kind is str and item.isascii():  # type: ignore[attr-defined]
                room[0] -= len(key) + len(item) + 4  # type: ignore[arg-type]
                out[key] = item  # type: ignore[assignment]
                continue
            if (kind is int and INT_MIN <= item <= INT_MAX) or item is None or kind is bool:  # type: ignore[operator]
                room[0] -= len(key) + 12
                out[key] = item  # type: ignore[assignment]
                continue
        if not isinstance(key, str):
            raise NotJson(f"{_at(path)} has a key that is not text ({type(key).__name__}).")
        name = _text(str.__str__(key), path, room)
        out[name] = _convert(item, f"{path}.{name}", depth + 1, room)
    _spend(2, path, room)
    return out


def _array(value: list[object], path: str, depth: int, room: list[int]) -> list[Json]:
    _spend(8 * len(value) + 2, path, room)
    return [_convert(item, f"{path}[{index}]", depth + 1, room) for index, item in enumerate(value)]


def _other(value: object, path: str, depth: int, room: list[int]) -> Json:
    if isinstance(value, enum.Enum):
        return _convert(value.value, path, depth + 1, room)
    if isinstance(value, bool | int):
        return _integer(int(value), path)
    if isinstance(value, float):
        return _float(float(value), path)
    if isinstance(value, str):
        return _text(str.__str__(value), path, room)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID | pathlib.PurePath):
        return _text(str(value), path, room)
    if isinstance(value, Mapping):
        return _object(value, path, depth, room)
    if isinstance(value, list | tuple):
        return _array(list(value), path, depth, room)
    if isinstance(value, set | frozenset):
        return sorted(_array(list(value), path, depth, room), key=canonical)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return _object(fields, path, depth, room)  # type: ignore[arg-type]
    declared = getattr(type(value), "model_fields", None)
    if isinstance(declared, dict) and not isinstance(value, type):
        return _model(value, declared, path, depth, room)
    raise NotJson(f"{_at(path)} is a {type(value).__name__}, which has no JSON form.")


def _model(value: object, fields: Mapping[str, object], path: str, depth: int, room: list[int]) -> Json:
    """Convert a pydantic model by what it holds, not by how it would show itself: an excluded field is still there."""
    if getattr(type(value), "__pydantic_root_model__", False):
        return _convert(getattr(value, "root"), path, depth + 1, room)  # noqa: B009 (a model, known by its shape alone)
    held: dict[object, object] = {name: getattr(value, name) for name in fields}
    extra = getattr(value, "__pydantic_extra__", None)
    if isinstance(extra, dict):
        held.update(extra)
    return _object(held, path, depth, room)


def canonical(value: Json) -> bytes:
    """Return the canonical UTF-8 bytes of a JSON value.

    Source: RFC 8785 (JSON Canonicalization Scheme); integers beyond 2^53 keep their digits (see the module's text).
    """
    text = _encode(value)
    if text.isascii() and not _MAYBE_FLOAT(text):
        return text.encode()  # no key beyond ASCII and no float: Python's encoder and JCS agree
    return _write(value).encode()


def _write(value: Json) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{_encode(key)}:{_write(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_write, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    return _encode(value)


def _number(value: float) -> str:
    """Write a double as ECMAScript does. Source: RFC 8785, section 3.2.2.3 (ECMA-262 Number::toString)."""
    if value == 0:
        return "0"
    sign, digits, exponent = decimal.Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + int(exponent)
    count = len(text)
    if count <= point <= 21:
        body = text + "0" * (point - count)
    elif 0 < point <= 21:
        body = f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        body = "0." + "0" * -point + text
    else:
        power = point - 1
        mantissa = text if count == 1 else f"{text[0]}.{text[1:]}"
        body = f"{mantissa}e{'+' if power > 0 else '-'}{abs(power)}"
    return f"-{body}" if sign else body


def digest(value: Json) -> str:
    """Return the SHA-256 over the canonical form, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()
