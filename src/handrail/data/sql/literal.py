"""Values that are written out: numbers, strings, NULL, TRUE and FALSE, dates; each becomes exactly one Python value."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal

from handrail.data.dialect import Dialect
from handrail.data.sql.tokens import Kind, Token

Literal = int | Decimal | str | bool | dt.date | dt.datetime | uuid.UUID | None
"""A value that is written out. Numbers with a fraction or an exponent are decimals, exactly as written."""

INT64_MAX = 2**63 - 1


class NotLiteral(ValueError):  # noqa: N818 (it says what the tokens are)
    """These tokens are no single value that is written out."""


def literal(found: Sequence[Token], dialect: Dialect) -> Literal:
    """Return the value that the tokens write out.

    Args:
        found: The tokens, for example `-`, `5`.
        dialect: Whose rules count: SQLite has no integers beyond 64 bits, and no types for dates.

    Raises:
        NotLiteral: They are something else.
    """
    found = _bare(found)
    if len(found) == 1:
        return _single(found[0], dialect)
    if len(found) == 2 and found[0].low in ("-", "+") and found[1].kind is Kind.NUMBER:
        number = _number(found[1].value, dialect)
        return -number if found[0].low == "-" else number
    if dialect is Dialect.POSTGRES:
        return _typed(found)
    raise NotLiteral


def _bare(found: Sequence[Token]) -> Sequence[Token]:
    """Return tokens without parentheses around all of them."""
    while len(found) > 2 and found[0].low == "(" and found[-1].low == ")" and not _parenthesis(found[1:-1]):
        found = found[1:-1]
    return found


def _parenthesis(found: Sequence[Token]) -> bool:
    return any(token.low in ("(", ")", ",") for token in found)


def _single(token: Token, dialect: Dialect) -> Literal:
    if token.kind is Kind.STRING:
        return token.value
    if token.kind is Kind.NUMBER:
        return _number(token.value, dialect)
    if token.low in _WORDS:
        return _WORDS[token.low]
    raise NotLiteral


_WORDS: dict[str, bool | None] = {"null": None, "true": True, "false": False}


def _number(text: str, dialect: Dialect) -> int | Decimal:
    if text.isdecimal():
        if dialect is Dialect.SQLITE and len(text) > 18 and int(text) > INT64_MAX:
            raise NotLiteral
        return int(text) if len(text) < 4_000 else Decimal(text)
    return Decimal(text)


def _typed(found: Sequence[Token]) -> Literal:
    """`DATE '2026-01-31'` and `'2026-01-31'::date`."""
    if len(found) == 2 and found[1].kind is Kind.STRING:
        name, text = found[0].low, found[1].value
    elif len(found) == 3 and found[0].kind is Kind.STRING and found[1].low == "::":
        name, text = found[2].low, found[0].value
    else:
        raise NotLiteral
    convert = _TYPES.get(name)
    if convert is None:
        raise NotLiteral
    try:
        return convert(text)
    except ValueError:
        raise NotLiteral from None


def _date(text: str) -> dt.date:
    if len(text) != 10:
        raise ValueError(text)
    return dt.date.fromisoformat(text)


def _moment(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(text)
    if found.tzinfo is not None or text[:4] != f"{found.year:04d}" or len(text) < 16:
        raise ValueError(text)  # PostgreSQL drops a zone here without a word
    return found


def _uuid(text: str) -> uuid.UUID:
    if len(text) != 36:
        raise ValueError(text)
    return uuid.UUID(text)


_TYPES: dict[str, Callable[[str], Literal]] = {"date": _date, "timestamp": _moment, "uuid": _uuid, "text": str}
