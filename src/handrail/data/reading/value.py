"""A value of a database as a JSON value: whatever JSON cannot hold becomes text, and nothing is lost silently."""

from __future__ import annotations

import base64
import json
import math
from typing import Final

from handrail.core.digest import INT_MAX, INT_MIN, Json, NotJson, to_json

BYTES = "base64:"
"""What stands before bytes that are given as base64 text."""

DEPTH_MAX: Final = 32
"""Nesting of arrays and JSON documents; what is deeper is given as JSON text."""


def plain(value: object, depth: int = 0) -> Json:
    """Return a value of a database as JSON.

    Args:
        value: What a driver returned.
        depth: How deep it stands in another value.

    Returns:
        Numbers, truth values, text, lists and objects as they are; dates and times as RFC 3339 text, decimals and UUIDs
        as text, bytes as `base64:…`, NaN and infinities as `NaN`, `Infinity`, `-Infinity`, integers beyond 64 bits as
        text. A value of a kind that nobody foresaw is its `str()`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if INT_MIN <= value <= INT_MAX else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _not_finite(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return BYTES + base64.b64encode(bytes(value)).decode()
    if isinstance(value, list | tuple | dict) and depth >= DEPTH_MAX:
        return _text(_written(value))
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_text(str(name)): plain(item, depth + 1) for name, item in value.items()}
    try:
        return to_json(value)
    except NotJson:
        return _text(str(value))


def document(text: str | bytes) -> Json:
    """Return a JSON document of a database; one that is too deep to be read comes back as its text."""
    try:
        return plain(json.loads(text))
    except (ValueError, RecursionError):
        return _text(text if isinstance(text, str) else text.decode("utf-8", "backslashreplace"))


def has_bytes(value: Json) -> bool:
    """Whether a value that `plain` returned may hold bytes."""
    if isinstance(value, str):
        return value.startswith(BYTES)
    if isinstance(value, dict):
        return any(map(has_bytes, value.values()))
    return isinstance(value, list) and any(map(has_bytes, value))


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _text(value: str) -> str:
    """Return text that is valid Unicode: a JSON document may hold lone surrogates."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def _written(value: object) -> str:
    try:
        return json.dumps(value, default=str)
    except (ValueError, RecursionError):
        return "(nested too deeply to be shown)"
