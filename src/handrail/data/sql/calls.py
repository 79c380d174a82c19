"""Calls of functions: is it one that is known to be harmless, and are its arguments such that it stays so?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from sqlglot import exp

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.data.dialect import Dialect
from handrail.data.sql.functions import FORMATS, FUNCTIONS, INSTEAD, PADDED, PADDED_MAX, ROWS, SERIES_MAX
from handrail.data.sql.refusal import Refusal

_FORMAT = re.compile(r"(?:[^%]|%[-+ 0,!#]*\d{0,3}(?:\$-?\d{0,3})?(?:\.\d{0,3})?[A-Za-z%])*")


def called(node: exp.Expr, dialect: Dialect, functions: frozenset[str], *, rows: bool = False) -> str:
    """Return the name of the function that is called, in lower case.

    Args:
        node: The call.
        dialect: Whose functions count.
        functions: Functions that the operator vouches for, in lower case.
        rows: Whether the call stands where a table stands.

    Raises:
        Refusal: It is not known to be harmless.
    """
    if not isinstance(node.this, str):
        raise Refusal("The name of a function stands in quotes. Write it without.")
    name = node.this.lower()
    if name in functions:
        return name
    if name not in (ROWS if rows else FUNCTIONS)[dialect]:
        raise _not_known(name, FUNCTIONS[dialect] | functions, rows=rows)
    arguments = node.expressions
    if name in FORMATS:
        _format(arguments, name)
    elif name in PADDED:
        _padded(arguments, name)
    elif name == "generate_series":
        _series(arguments)
    return name


def _not_known(name: str, known: frozenset[str], *, rows: bool) -> Refusal:
    if rows and name in known:
        return Refusal(f"{safe(name)} gives no rows. Write it where a value stands: SELECT {safe(name)}(…).")
    instead = INSTEAD.get(name)
    if instead is None:
        near = did_you_mean(name, (one for one in known if one[0] == name[0])).strip()  # all would take a millisecond
        instead = f"{near} Write" if near else "Write"
        instead += " it with other functions, or ask the operator to register it."
    return Refusal(f"The function {safe(name)} is not one that is known to be harmless. {instead}")


def _format(arguments: Sequence[exp.Expr], name: str) -> None:
    first = arguments[0] if arguments else None
    if not isinstance(first, exp.Literal) or not first.is_string or not _FORMAT.fullmatch(first.this):
        raise Refusal(
            f"The format of {name} has to be a string that is written out, with widths of up to three digits. "
            "Write it so, or join strings with ||."
        )


def _padded(arguments: Sequence[exp.Expr], name: str) -> None:
    size = _number(arguments[PADDED[name]]) if len(arguments) > PADDED[name] else None
    if size is None or size > PADDED_MAX:
        raise Refusal(f"The length in {name} has to be a number up to {PADDED_MAX:,}. Write the number.")


def _series(arguments: Sequence[exp.Expr]) -> None:
    """Refuse a series that surely is too long. One between columns or dates is stopped by a time limit, if need be."""
    bounds = [_number(argument) for argument in arguments]
    if len(bounds) < 2 or bounds[0] is None or bounds[1] is None:
        return
    step = abs(bounds[2] or Decimal(1)) if len(bounds) > 2 else Decimal(1)
    if abs(bounds[1] - bounds[0]) > SERIES_MAX * step:
        raise Refusal(f"The series has more than {SERIES_MAX:,} values. Write a shorter one.")


def _number(node: object) -> Decimal | None:
    """Return a number that is written out."""
    negative = isinstance(node, exp.Neg)
    found = node.this if isinstance(node, exp.Neg) else node
    if not isinstance(found, exp.Literal) or found.is_string or len(found.this) > 30:
        return None
    number = Decimal(found.this)
    return -number if negative else number
